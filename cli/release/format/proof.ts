/** Whether two texts say the same SQL: the formatter asks for every file, and writes nothing if they do not. */
import { type Token, tokensOf } from "./lexer.ts";

/** What is said, whatever the space: the code, and the comments word by word. */
export interface Said {
  code: string[];
  comments: string[];
}

/**
 * What a text says. Strings that follow each other on lines of their own are one string, as Postgres reads them; a comment
 * may be wrapped elsewhere, or stand above the line that it stood behind.
 */
export function said(text: string): Said {
  const code: string[] = [];
  const comments: string[] = [];
  let last: Token | undefined;
  for (const token of tokensOf(text)) {
    if (token.kind === "comment") {
      comments.push(...words(token.text));
      continue;
    }
    if (last?.kind === "string" && token.kind === "string") {
      if (token.line === last.line || !token.text.startsWith("'")) {
        throw new Error(`line ${token.line + 1}: a string behind a string`);
      }
      code[code.length - 1] = code.at(-1)?.slice(0, -1) + token.text.slice(1);
    } else code.push(token.text);
    last = token;
  }
  return { code, comments };
}

function words(comment: string): string[] {
  return comment.replace(/^--/, "").split(/\s+/).filter((word) => word !== "" && word !== "--");
}

/** Where two texts begin to say something else; undefined if they say the same. */
export function difference(before: string, after: string): string | undefined {
  const [one, other] = [said(before), said(after)];
  for (const part of ["code", "comments"] as const) {
    for (let n = 0; n < Math.max(one[part].length, other[part].length); n++) {
      if (one[part][n] !== other[part][n]) {
        return `${one[part][n] ?? "nothing"} has become ${other[part][n] ?? "nothing"}`;
      }
    }
  }
  return undefined;
}
