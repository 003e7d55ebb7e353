/**
 * How SQL of ours is laid out: lines of at most 110 columns. What fits stays as its author has set it; what does not is
 * broken where our style breaks lines, and comments are wrapped at words.
 *
 * No library does it. sql-formatter leaves the bodies of routines alone, pgFormatter has a style of its own for them, and
 * what libpg_query gives back has lost its comments: each would rewrite every line there is. And none proves, as this does
 * (see proof.ts), that it has changed nothing but space.
 */
import { laidOut, widthOf } from "./layout.ts";
import { tokensOf } from "./lexer.ts";
import { numberArguments, unnumberedLines } from "./numbers.ts";
import { difference } from "./proof.ts";

/** The longest line that is allowed in supabase/schemas and in what is made from it. */
export const WIDTH = 110;

/** The text, laid out. Throws if it would say anything else than before. */
export function formatSql(text: string, width = WIDTH): string {
  const result = laidOut(tidied(numberArguments(text)), width);
  const changed = difference(numberArguments(text), result);
  if (changed !== undefined) throw new Error(`not laid out: ${changed}`);
  return result;
}

/** What is to be mended by hand: lines that could not be broken, and texts of format() that could not be numbered. */
export function faultsOf(text: string, width = WIDTH): string[] {
  const long = text.split("\n").flatMap((line, at) =>
    line.length > widthOf(line, width) ? [at + 1] : []
  );
  return [
    ...long.map((line) => `line ${line} is longer than ${width} columns`),
    ...unnumberedLines(text).map((line) => `line ${line}: number the arguments of format()`),
  ];
}

/** No space at the end of lines, no two empty lines, one end of line at the end: not in strings. */
function tidied(text: string): string {
  let result = "";
  let at = 0;
  for (const token of tokensOf(text)) {
    result += space(text.slice(at, token.at)) + token.text.trimEnd();
    at = token.at + token.text.length;
  }
  return `${result}\n`;
}

function space(between: string): string {
  return between.replace(/[ \t\r]+(?=\n)/g, "").replace(/\n{3,}/g, "\n\n").replaceAll("\t", "  ");
}
