/** SQL as tokens: what a formatter may not change, with the space between them, which it may. */

/** What a token is. The body of a routine is not one token but many, between `open` and `close`. */
export type Kind =
  | "word"
  | "number"
  | "string"
  | "name"
  | "mark"
  | "comment"
  | "open"
  | "close"
  | "opaque";

/** A piece of SQL that no space may be put into. */
export interface Token {
  kind: Kind;
  text: string;
  /** Where it starts in the text. */
  at: number;
  /** The line it starts in, and its column there, both from 0. */
  line: number;
  column: number;
}

const SPACE = /\s+/y;
const RULES: [Kind, RegExp][] = [
  ["comment", /--[^\n]*/y],
  ["comment", /\/\*(?:[^*]|\*(?!\/))*\*\//y],
  ["string", /[eE]'(?:[^'\\]|\\[^]|'')*'/y],
  ["string", /(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'/y],
  ["name", /"(?:[^"]|"")*"/y],
  ["open", /\$(?:[A-Za-z_]\w*)?\$/y],
  ["word", /\$\d+|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y],
  ["number", /\d+(?:\.(?!\.)\d*)?(?:[eE][+-]?\d+)?|\.\d+/y],
  ["mark", /::|:=|\.\.|(?:(?!--|\/\*)[-+*\/<>=~!@#%^&|`?])+|[^]/y],
];

/** The tokens of a text of SQL. A dollar-quoted text is looked into where it is the body of something: after `as` or `do`. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const open: string[] = [];
  const place = placesIn(text);
  for (let at = 0; at < text.length;) {
    SPACE.lastIndex = at;
    at += SPACE.exec(text)?.[0].length ?? 0;
    if (at >= text.length) break;
    let [kind, piece] = next(text, at);
    if (kind === "open") {
      if (open.at(-1) === piece) kind = open.pop() === piece ? "close" : kind;
      else if (isBody(tokens)) open.push(piece);
      else [kind, piece] = ["opaque", upTo(text, at, piece)];
    }
    tokens.push({ kind, text: piece, at, ...place(at) });
    at += piece.length;
  }
  return tokens;
}

function next(text: string, at: number): [Kind, string] {
  for (const [kind, rule] of RULES) {
    rule.lastIndex = at;
    const found = rule.exec(text)?.[0];
    if (found) return [kind, found];
  }
  throw new Error(`no token at ${at}`); // the last rule takes anything
}

function isBody(tokens: Token[]): boolean {
  const before = tokens.findLast(({ kind }) => kind !== "comment")?.text.toLowerCase();
  return before === "as" || before === "do";
}

function upTo(text: string, at: number, tag: string): string {
  const end = text.indexOf(tag, at + tag.length);
  if (end < 0) throw new Error(`${tag} is not closed`);
  return text.slice(at, end + tag.length);
}

/** Tells line and column of places that are asked for in their order. */
function placesIn(text: string): (at: number) => { line: number; column: number } {
  let line = 0;
  let start = 0;
  return (at) => {
    for (let end = text.indexOf("\n", start); end >= 0 && end < at;) {
      line++;
      start = end + 1;
      end = text.indexOf("\n", start);
    }
    return { line, column: at - start };
  };
}

/** Whether a string may be continued on a next line, in pieces: 'a' 'b' is 'ab' there. */
export function isPlainString({ kind, text }: Token): boolean {
  return kind === "string" && /^[eE]?'/.test(text) && !text.includes("\n");
}
