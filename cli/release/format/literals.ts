/** Strings that are too long for a line: 'a' and 'b' on the next line are the same as 'ab' on one. */
import { isPlainString, type Token } from "./lexer.ts";

/** A piece of a string, its quotes with it, and what it costs to go on with it on a new line. */
export interface StringPiece {
  text: string;
  cost: number;
}

const SQL = /\b(select|insert into|update|delete from|create|alter|array_agg)\b|^ {2,}\S/;
const CLAUSE =
  /^(select|from|where|and|or|join|left|cross|group|order|limit|union|on|set|values|when|else)\b/;

/** The strings that are SQL, made to be read in lines of their own; the others are for people. */
export function sqlStrings(tokens: readonly Token[]): Set<Token> {
  const found = new Set<Token>();
  for (const run of runsOf(tokens)) {
    if (run.some(({ text }) => SQL.test(text))) { for (const token of run) found.add(token); }
  }
  return found;
}

/** A string cut behind its spaces; whole, if it may not be cut. */
export function piecesOf(token: Token, isSql: boolean): StringPiece[] {
  if (!isPlainString(token) || token.text.length < 24) return [{ text: token.text, cost: 0 }];
  const words = token.text.match(/(?:[^ ]| (?= ))+ ?/g) ?? [token.text];
  let left = token.text.length;
  return words.map((text, at) => {
    const cost = isSql ? sqlCost(text, words[at - 1] ?? "") : 9;
    const isShort = at === 1 ? 8 : Math.max(0, 0.4 * (24 - left)); // a line of its own for two words
    left -= text.length;
    return { text, cost: cost + isShort };
  });
}

function sqlCost(text: string, before: string): number {
  if (/^(when|by)\b/.test(text) && /^\W*(case|order|group) $/.test(before)) return 40;
  if (CLAUSE.test(text) && !/^\W*(left|cross|union|distinct) $/.test(before)) return 13;
  return before.endsWith(", ") ? 16 : 30;
}

/**
 * Puts strings together that go on over lines, where one of these lines is too long and people are to read them: they
 * are cut again where they best are.
 */
export function joinProse(text: string, tokens: readonly Token[], width: number): string {
  const lines = text.split("\n");
  const isSql = sqlStrings(tokens);
  const joined: [number, number][] = [];
  for (const run of runsOf(tokens)) {
    const isLong = run.some(({ line }) => (lines[line]?.length ?? 0) > width);
    if (!isLong || run.some((token) => !isPlainString(token) || isSql.has(token))) continue;
    for (const [n, { at, text }] of run.slice(0, -1).entries()) {
      joined.push([at + text.length - 1, (run[n + 1]?.at ?? 0) + 1]);
    }
  }
  let result = text;
  for (const [from, to] of joined.toReversed()) result = result.slice(0, from) + result.slice(to);
  return result;
}

/** Strings that follow each other, and so are one. */
export function runsOf(tokens: readonly Token[]): Token[][] {
  const runs: Token[][] = [];
  let last: Token | undefined;
  for (const token of tokens) {
    if (token.kind === "comment") continue;
    if (token.kind === "string") {
      if (last?.kind === "string") runs.at(-1)?.push(token);
      else runs.push([token]);
    }
    last = token;
  }
  return runs;
}
