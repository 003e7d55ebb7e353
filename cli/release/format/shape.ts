/** The shape of SQL, as far as its layout needs it: which bracket, statement, clause and item each token is in. */
import type { Token } from "./lexer.ts";

/** What is open around a token: a bracket, a case, a body; the whole text at the outside. */
export interface Group {
  kind: "(" | "[" | "case" | "body" | "text";
  open?: Token;
  close?: Token;
  depth: number;
  /** The first `when` of a case. */
  when?: Token;
  /** What is called with it, where it is the arguments of something. */
  of?: string;
}

/** Where a token stands, told by other tokens. */
export interface Place {
  token: Token;
  before?: Token;
  after?: Token;
  group: Group;
  /** The first token of the statement; in a bracket, of what is in it. */
  statement: Token;
  /** select, insert, update, … of the query around it, in the same bracket. */
  head?: Token;
  /** The keyword of the clause that it is in, and the first token after it. */
  clause?: Token;
  content: Token;
  /** The first token after the comma before it, or after the clause's keyword. */
  item: Token;
  /** Behind how many commas it is in its bracket. */
  nth: number;
  /** The clause that it begins itself. */
  begins?: string;
  /** The group that it closes. */
  closes?: Group;
  /** Whether it is an `and` of `between … and …`. */
  isBetween: boolean;
}

/** What is known in a bracket, a case or a body up to here; the first of its own is not there yet where undefined. */
interface Frame {
  group: Group;
  statement?: Token;
  head?: Token;
  clause?: Token;
  content?: Token;
  item?: Token;
  nth: number;
  isBetween: boolean;
}

const HEADS = ["select", "insert", "update", "delete", "with", "perform", "execute"];
const CLAUSES = [
  ...["from", "where", "group", "having", "order", "limit", "offset", "returning"],
  ...["into", "using", "set", "values", "window"],
];
const UNIONS = ["union", "intersect", "except"];
const JOINS = ["left", "right", "full", "cross", "inner", "join"];
const BLOCKS = ["begin", "then", "else", "loop", "declare"];

/** The place of each token that is code. */
export function placesOf(tokens: readonly Token[]): Map<Token, Place> {
  const code = tokens.filter(({ kind }) => kind !== "comment");
  const places = new Map<Token, Place>();
  const frames: Frame[] = [newFrame({ kind: "text", depth: 0 })];
  for (const [at, token] of code.entries()) {
    const [before, after] = [code[at - 1], code[at + 1]];
    const closes = isClosing(top(frames).group, token) ? frames.pop()?.group : undefined;
    if (closes) closes.close = token;
    const frame = top(frames);
    places.set(token, { ...enter(frame, token, before, after), closes });
    const kind = opens(frame, token, before);
    const isCall = kind === "(" && before?.kind === "word" &&
      token.at === before.at + before.text.length;
    const of = isCall ? word(before) : undefined;
    if (kind) frames.push(newFrame({ kind, open: token, depth: frame.group.depth + 1, of }));
    else leave(frame, token, before);
  }
  return places;
}

function newFrame(group: Group): Frame {
  return { group, nth: 0, isBetween: false };
}

function top(frames: Frame[]): Frame {
  return frames.at(-1) ?? newFrame({ kind: "text", depth: 0 });
}

/** A keyword as it is written in a list of keywords; anything else as it is. */
export function word(token?: Token): string {
  return token?.kind === "word" ? token.text.toLowerCase() : token?.text ?? "";
}

function isClosing({ kind }: Group, token: Token): boolean {
  switch (kind) {
    case "(":
      return token.text === ")";
    case "[":
      return token.text === "]";
    case "case":
      return word(token) === "end";
    case "body":
      return token.kind === "close";
    default:
      return false;
  }
}

function opens(frame: Frame, token: Token, before?: Token): Group["kind"] | undefined {
  if (token.text === "(" || token.text === "[") return token.text;
  if (token.kind === "open") return "body";
  const isExpression = word(token) === "case" && word(before) !== "end";
  return isExpression && (frame.statement !== token || !isBlock(frame.group)) ? "case" : undefined;
}

/** Whether statements follow each other in it. */
function isBlock({ kind }: Group): boolean {
  return kind === "body" || kind === "text";
}

function enter(frame: Frame, token: Token, before?: Token, after?: Token): Place {
  frame.statement ??= token;
  const name = word(token);
  const isUnion = frame.head !== undefined && UNIONS.includes(name);
  const { head } = frame;
  if (isUnion || isHead(frame, token, before, after)) frame.head = token;
  const begins = clauseOf(frame, token, before, after);
  if (name === "when" && frame.group.kind === "case") frame.group.when ??= token;
  const isBetween = name === "and" && frame.isBetween;
  if (name === "between" || name === "and") frame.isBetween = name === "between";
  if (begins !== undefined) {
    frame.clause = token;
    frame.content = frame.item = undefined;
  } else {
    frame.content ??= token;
    frame.item ??= token;
  }
  const known = place(frame, token, before, after);
  return { ...known, head: isUnion ? head : known.head, begins, isBetween };
}

function place(frame: Frame, token: Token, before?: Token, after?: Token): Place {
  const { group, statement = token, head, clause, content = token, item = token, nth } = frame;
  const known = { group, statement, head, clause, content, item, nth };
  return { token, before, after, ...known, isBetween: false };
}

function isHead({ statement, group }: Frame, token: Token, before?: Token, after?: Token): boolean {
  const name = word(token);
  if (name === "select") return ![...UNIONS, "all"].includes(word(before));
  if (!HEADS.includes(name) || word(before) === "before" || word(before) === "after") return false;
  if (name === "insert") return word(after) === "into";
  if (name === "delete") return word(after) === "from";
  if (name === "update" && ["for", "do", "on", "or", ",", "grant"].includes(word(before))) {
    return false;
  }
  return statement === token || before === group.open ||
    name === "update" && after?.kind === "word";
}

/** The clause that begins with a token; a join begins with its first word, and with its `on`. */
function clauseOf(frame: Frame, token: Token, before?: Token, after?: Token): string | undefined {
  const name = word(token);
  const last = word(before);
  if (frame.group.kind === "case") {
    return ["when", "then", "else"].includes(name) ? name : undefined;
  }
  if (JOINS.includes(name)) {
    return JOINS.includes(last) || last === "outer" || word(after) === "(" ? undefined : "join";
  }
  if (UNIONS.includes(name)) return name;
  if (token === frame.head) return "head";
  if (name === "select") return "select";
  if (name === "on") {
    if (word(after) === "conflict") return "on conflict";
    return word(frame.clause) !== "" && frame.head ? "on" : undefined;
  }
  if (!CLAUSES.includes(name)) return undefined;
  if (name === "from" && (last === "distinct" || last === "delete")) return undefined;
  if (name === "into" && last === "insert" || (name === "group" && last === "within")) {
    return undefined;
  }
  if (["group", "order"].includes(name) && word(after) !== "by") return undefined;
  const isQuery = frame.head !== undefined || isBlock(frame.group);
  return isQuery || name === "order" || name === "values" ? name : undefined;
}

/** What a token ends: a statement, an item. */
function leave(frame: Frame, token: Token, before?: Token) {
  const name = word(token);
  const isEnd = isBlock(frame.group) &&
    (name === ";" || frame.group.kind === "body" && BLOCKS.includes(name));
  if (isEnd) {
    frame.statement =
      frame.head =
      frame.clause =
      frame.content =
      frame.item =
        undefined;
  } else if (name === ",") {
    frame.item = undefined;
    frame.nth++;
  } else if (name === "by" || (name === "distinct" && word(before) === "select") || name === ":=") {
    frame.content = frame.item = undefined;
  } else if (["query", "return"].includes(name) || token === frame.clause) {
    frame.content = frame.item = undefined;
  }
}
