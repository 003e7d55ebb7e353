/** Breaks a line that is too long, where that costs least. */
import { type Break, breakBefore } from "./breaks.ts";
import type { Token } from "./lexer.ts";
import { piecesOf } from "./literals.ts";
import { type Place, word } from "./shape.ts";

/** Where a token is in the text as it is written anew: its column, and how far its line is set in. */
export interface Seat {
  column: number;
  indent: number;
  /** Of the head of a query: where it would be, by the clauses that begin lines so far. */
  river?: number;
}

/** What stays on a line: a token, or a part of a string. */
interface Piece {
  token: Token;
  text: string;
  /** Its column if nothing were broken. */
  column: number;
  depth: number;
  isPart: boolean;
  isForced: boolean;
  break?: Break;
  cost: number;
}

/** A way to break what is before a piece, which begins a line. */
interface Way {
  at: number;
  column: number;
  cost: number;
  before?: Way;
}

const KEPT = 8;

/** What is known of the whole text. */
export interface Known {
  places: Map<Token, Place>;
  sql: Set<Token>;
  seats: Map<Token, Seat>;
  width: number;
}

/** Tokens of a line, to be put on lines of at most a width. Tells where they are in `seats`. */
export function breakLine(tokens: readonly Token[], known: Known, indent: number): string[] {
  const { seats, width } = known;
  const pieces = cut(tokens, known);
  const ways: Way[][] = pieces.map(() => []);
  ways.push([]);
  ways[0] = [{ at: 0, column: indent, cost: 0 }];
  for (const at of pieces.keys()) {
    for (const way of ways[at] ?? []) goOn(pieces, way, ways, seats, width);
  }
  const [best] = ways[pieces.length] ?? [];
  return best === undefined ? [] : written(pieces, best, seats);
}

function cut(tokens: readonly Token[], { places, sql }: Known): Piece[] {
  const forced = forcedBreaks(tokens, places);
  const pieces: Piece[] = [];
  let column = 0;
  let last: Token | undefined;
  for (const token of tokens) {
    const place = places.get(token);
    if (last) column += token.line === last.line ? token.at - last.at - last.text.length : 1;
    const depth = place?.group.depth ?? 0;
    for (const [n, { text, cost }] of piecesOf(token, sql.has(token)).entries()) {
      const found = n > 0
        ? { cost, from: token, by: 0 }
        : forced.get(token) ?? (place && breakBefore(place));
      pieces.push({
        ...{ token, text, column, depth, isPart: n > 0, isForced: n === 0 && forced.has(token) },
        ...{ break: found, cost: found?.cost ?? 0 },
      });
      column += text.length;
    }
    last = token;
  }
  const least = Math.min(...pieces.map(({ depth }) => depth));
  for (const piece of pieces) piece.cost += 9 * (piece.depth - least);
  return pieces;
}

/**
 * Where a line that is too long is broken in any case: what is said in a comment, what a routine returns; and, in pairs,
 * a body of one line, the parameters of a routine, what a loop goes through.
 */
function forcedBreaks(tokens: readonly Token[], places: Map<Token, Place>): Map<Token, Break> {
  const forced = new Map<Token, Break>();
  for (const [at, token] of tokens.entries()) {
    const place = places.get(token);
    const next = tokens[at + 1];
    if (place === undefined || next === undefined) continue;
    const close = tokens.find((one) => places.get(one)?.closes?.open === token);
    const isPair = close &&
      (token.kind === "open" || token.text === "(" && isParameters(place, tokens));
    if (isPair) {
      forced.set(next, { cost: 0, from: token, by: 2, ofLine: true });
      forced.set(close, { cost: 0, from: token, by: 0, ofLine: true });
    }
    const isQuery = word(token) === "query" && word(next) === "select";
    const isComment = word(token) === "is" && word(place.statement) === "comment";
    if (isQuery || isComment) forced.set(next, { cost: 0, from: place.statement, by: 2 });
    const loop = word(token) === "in" && word(place.statement) === "for" &&
      word(next) === "select" &&
      tokens.find((one) => word(one) === "loop" && places.get(one)?.statement === place.statement);
    if (loop) {
      forced.set(next, { cost: 0, from: place.statement, by: 2 });
      forced.set(loop, { cost: 0, from: place.statement, by: 0 });
    }
  }
  return forced;
}

/** Whether a bracket holds the parameters of a routine, or the columns of the table that it returns. */
function isParameters({ statement, group, before }: Place, [first, second]: readonly Token[]) {
  if (group.kind !== "text" || word(statement) !== "create") return false;
  const isRoutine = first === statement && ["function", "procedure"].includes(word(second));
  return isRoutine || word(before) === "table";
}

function goOn(pieces: Piece[], way: Way, ways: Way[][], seats: Map<Token, Seat>, width: number) {
  const first = pieces[way.at];
  if (first === undefined) return;
  const start = way.column + (first.isPart ? 1 : 0) - first.column;
  let isUneven = false;
  for (let to = way.at + 1; to <= pieces.length; to++) {
    const last = pieces[to - 1];
    const next = pieces[to];
    if (last === undefined) return;
    isUneven ||= way.at > 0 && isHeavy(last, first);
    const end = start + last.column + last.text.length + (next?.isPart ? 1 : 0);
    const isOver = end > width;
    if (next === undefined || next.break !== undefined || next.isForced) {
      const cost = way.cost + (isOver ? 1000 + 20 * (end - width) : 0) + (isUneven ? 14 : 0) +
        dangling(last, end) +
        (next === undefined ? 0 : 10 + next.cost + emptiness(next, Math.max(0, width - end)));
      offer(pieces, ways, seats, { at: to, column: 0, cost, before: way });
    }
    if (next?.isForced || isOver && end > width + 80) return;
  }
}

/** Whether a piece belongs further out than the first one of its line, and is more than an end. */
function isHeavy(piece: Piece, first: Piece): boolean {
  const name = word(piece.token);
  return piece.depth < first.depth &&
    ![")", "]", ",", ";", "end", "as", "then", "loop"].includes(name) && !/^\w{1,12}$/.test(name);
}

/** What it costs to leave so much of a line empty: strings and lists are filled evenly. */
function emptiness(
  { isPart, token, break: { follows } = { cost: 0, from: token, by: 0 } }: Piece,
  columns: number,
) {
  return isPart || follows ? 0.0003 * columns ** 2 : 0.005 * columns;
}

/** What it costs that a case begins so far right: all that comes on the next lines would stand below it. */
function dangling({ token }: Piece, end: number): number {
  return word(token) === "case" ? 0.6 * Math.max(0, end - 40) : 0;
}

function offer(pieces: Piece[], ways: Way[][], seats: Map<Token, Seat>, way: Way) {
  const next = pieces[way.at];
  if (next !== undefined) {
    const seat = seatOf(pieces, way, seats, next);
    way.column = Math.max(0, seat);
    way.cost += next.isPart
      ? 0.8 * Math.max(0, way.column - 24)
      : 0.4 * Math.max(0, way.column - 60);
  }
  const others = ways[way.at] ?? [];
  const same = others.findIndex(({ column, before }) =>
    column === way.column && before?.at === way.before?.at && before?.column === way.before?.column
  );
  if (same >= 0 && (others[same]?.cost ?? 0) <= way.cost) return;
  if (same >= 0) others.splice(same, 1);
  others.push(way);
  others.sort((one, other) => one.cost - other.cost);
  others.splice(KEPT);
}

/** The column in which a piece begins a line, by what is before it. */
function seatOf(pieces: Piece[], way: Way, seats: Map<Token, Seat>, next: Piece): number {
  const { from, by, ofLine, follows } = next.break ?? { from: next.token, by: 0 };
  const seat = seatIn(pieces, way.before, from) ?? seats.get(from);
  if (seat === undefined) return 0;
  return (ofLine ? seat.indent : follows ? seat.river ?? seat.column : seat.column) + by;
}

function seatIn(pieces: Piece[], way: Way | undefined, token: Token): Seat | undefined {
  const at = pieces.findIndex((piece) => piece.token === token);
  if (at < 0) return undefined;
  for (let one = way; one !== undefined; one = one.before) {
    const first = pieces[one.at];
    if (one.at > at || first === undefined) continue;
    const column = one.column + (first.isPart ? 1 : 0) + (pieces[at]?.column ?? 0) - first.column;
    return { column, indent: one.column };
  }
  return undefined;
}

function written(pieces: Piece[], best: Way, seats: Map<Token, Seat>): string[] {
  const starts: Way[] = [];
  for (let way = best.before; way !== undefined; way = way.before) starts.unshift(way);
  return starts.map((way, n) => {
    const to = starts[n + 1]?.at ?? pieces.length;
    const on = pieces.slice(way.at, to);
    const [first] = on;
    let line = " ".repeat(way.column) + (first?.isPart ? "'" : "");
    const start = line.length - (first?.column ?? 0);
    for (const { token, text, column, isPart } of on) {
      line = line.padEnd(start + column) + text;
      if (!isPart) seats.set(token, { column: start + column, indent: way.column });
    }
    return line + (pieces[to]?.isPart ? "'" : "");
  });
}
