/** Lays a text out line by line: what fits stays as it is, unless what it is aligned with has moved. */
import { breakBefore } from "./breaks.ts";
import { wrapComments } from "./comments.ts";
import { type Token, tokensOf } from "./lexer.ts";
import { breakLine, type Known } from "./lines.ts";
import { joinProse, sqlStrings } from "./literals.ts";
import { placesOf } from "./shape.ts";

/** How much longer than it is written a line becomes in a release: see compose.ts. */
const GROWS: [RegExp, number][] = [
  [/^create (function|procedure|trigger) /, " or replace".length],
  [/^create (table|sequence|(unique )?index) /, " if not exists".length],
];

/** How long a line may be, so that it is not longer than the width in a release. */
export function widthOf(line: string, width: number): number {
  return width - (GROWS.find(([what]) => what.test(line))?.[1] ?? 0);
}

/** The text in lines of at most a width, where that is possible. */
export function laidOut(text: string, width: number): string {
  const joined = joinProse(text, tokensOf(text), width);
  return new Layout(joined, width).lines().join("\n");
}

class Layout {
  readonly #text: string;
  readonly #lines: string[];
  readonly #on: Token[][];
  readonly #known: Known;

  constructor(text: string, width: number) {
    const tokens = tokensOf(text);
    this.#text = text;
    this.#known = { places: placesOf(tokens), sql: sqlStrings(tokens), seats: new Map(), width };
    this.#lines = text.split("\n");
    this.#on = this.#lines.map(() => []);
    for (const token of tokens) this.#on[token.line]?.push(token);
  }

  /** All lines anew. */
  lines(): string[] {
    const result: string[] = [];
    for (let at = 0; at < this.#lines.length; at++) {
      const block = this.#commentsFrom(at);
      if (block.length > 0) {
        result.push(...this.#comments(at, block));
        at += block.length - 1;
      } else {
        const [lines, taken] = this.#line(at);
        result.push(...lines);
        at += taken - 1;
      }
    }
    return result;
  }

  /** The comment lines that follow each other from here on, equally set in. */
  #commentsFrom(at: number): Token[] {
    const block: Token[] = [];
    for (let to = at;; to++) {
      const [token, ...more] = this.#on[to] ?? [];
      const isOne = token?.text.startsWith("--") && more.length === 0 &&
        token.column === (block[0]?.column ?? token.column) && this.#isStart(token);
      if (!isOne || token === undefined) return block;
      block.push(token);
    }
  }

  #isStart({ line, column }: Token): boolean {
    return this.#lines[line]?.slice(0, column).trim() === "";
  }

  #comments(at: number, block: Token[]): string[] {
    const indent = (block[0]?.column ?? 0) + this.#moved(at + block.length);
    const lines = wrapComments(block.map(({ text }) => text), this.#known.width - indent);
    return lines.map((line) => " ".repeat(Math.max(0, indent)) + line);
  }

  /** How far the first token of code from a line on has to move, because what it is aligned with has. */
  #moved(from: number): number {
    for (let at = from; at < this.#on.length; at++) {
      const first = this.#on[at]?.find(({ kind }) => kind !== "comment");
      if (first) return this.#column(first) - first.column;
    }
    return 0;
  }

  /** The column of a token that begins a line: as it was, unless what it is aligned with is somewhere else now. */
  #column(token: Token): number {
    const place = this.#known.places.get(token);
    const isStatement = place === undefined || !["(", "[", "case"].includes(place.group.kind) &&
        (token === place.statement || place.head === undefined);
    const found = isStatement ? undefined : breakBefore(place);
    const seat = found && this.#known.seats.get(found.from);
    if (found === undefined || seat === undefined) return token.column;
    const indent = this.#on[found.from.line]?.[0]?.column ?? 0;
    const before = found.ofLine ? indent : found.from.column;
    const now = found.ofLine ? seat.indent : seat.column;
    return before === now ? token.column : now + found.by;
  }

  /** A line anew, in lines; and how many lines of before are in them. */
  #line(at: number): [string[], number] {
    const line = this.#lines[at] ?? "";
    const tokens = this.#on[at] ?? [];
    const [first] = tokens;
    const isWhole = tokens.every(({ text }) => !text.includes("\n"));
    if (first === undefined || !isWhole || !this.#isStart(first)) return [[line], 1];
    const code = tokens.filter(({ kind }) => kind !== "comment");
    const indent = Math.max(
      0,
      first.column + (first.kind === "comment" ? 0 : this.#column(first) - first.column),
    );
    const rest = line.slice(first.column);
    for (const token of code) {
      this.#known.seats.set(token, { column: indent + token.column - first.column, indent });
    }
    this.#noteRiver(first, indent);
    const whole = " ".repeat(indent) + rest;
    if (whole.length <= widthOf(whole, this.#known.width)) return [[whole], 1];
    const isPlain = code.length === tokens.length;
    if (isPlain) return this.#broken(at, code, indent);
    return [this.#withoutComment(code, tokens, indent) ?? [whole], 1];
  }

  #noteRiver(first: Token, indent: number) {
    const place = this.#known.places.get(first);
    const found = place && breakBefore(place);
    const head = found?.follows ? this.#known.seats.get(found.from) : undefined;
    if (head && found && (found.by > 0 || place?.before?.text === ",")) {
      head.river = indent - found.by;
    }
  }

  /** Breaks a line. What would be left over of a list goes onto the next line, if that goes on with it. */
  #broken(at: number, code: Token[], indent: number): [string[], number] {
    for (let taken = 1;; taken++) {
      const width = widthOf(this.#lines[at] ?? "", this.#known.width);
      const lines = breakLine(code, { ...this.#known, width }, indent);
      const next = this.#on[at + taken] ?? [];
      const left = lines.at(-1)?.trim().length ?? 0;
      if (left > 36 || !this.#goesOn(code, next)) return [lines, taken];
      code.push(...next);
    }
  }

  /** Whether a line goes on with a list that is filled, not set out item by item. */
  #goesOn(code: Token[], next: Token[]): boolean {
    const [first] = next;
    const place = first && this.#known.places.get(first);
    if (
      first === undefined || place === undefined || code.at(-1)?.text !== "," || first.text === "("
    ) return false;
    const { group } = place;
    if (place.head !== undefined || group.kind !== "(" || group.of?.endsWith("build_object")) {
      return false;
    }
    const isOwn = next.every((token) => {
      const depth = this.#known.places.get(token)?.group.depth ?? 0;
      return token.kind !== "comment" &&
        (depth > group.depth || group.close === undefined || token.at <= group.close.at);
    });
    const commas = (tokens: Token[]) =>
      tokens.filter((token) => token.text === "," && this.#known.places.get(token)?.group === group)
        .length;
    const isEnded = next.includes(group.close ?? first) || next.at(-1)?.text === ",";
    return isOwn && isEnded && commas(code) > 1 && commas(next) > 0;
  }

  /** A comment behind a line that is too long stands above it. */
  #withoutComment(code: Token[], tokens: Token[], indent: number): string[] | undefined {
    const comment = tokens.at(-1);
    const [first, end] = [code[0], code.at(-1)];
    const isOne = comment?.text.startsWith("--") && tokens.length === code.length + 1;
    if (!isOne || comment === undefined || first === undefined || end === undefined) {
      return undefined;
    }
    const { width } = this.#known;
    const above = wrapComments([comment.text], width - indent).map((one) =>
      " ".repeat(indent) + one
    );
    const alone = this.#text.slice(first.at, end.at + end.text.length);
    return indent + alone.length <= width
      ? [...above, " ".repeat(indent) + alone]
      : [...above, ...breakLine(code, this.#known, indent)];
  }
}
