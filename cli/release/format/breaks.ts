/**
 * Where a line may be broken, what that costs, and where the next one begins then. Clauses stand in a river, as they
 * do everywhere in supabase/schemas: `select`, and `from`, `where`, `and` so that they end where it ends.
 */
import type { Token } from "./lexer.ts";
import { type Place, word } from "./shape.ts";

/** A new line may begin here. */
export interface Break {
  cost: number;
  /** It begins so many columns behind this token, or behind the start of the line that this token is on. */
  from: Token;
  by: number;
  ofLine?: boolean;
  /** Where its author began another clause of this query, or item of this list, somewhere else, it follows that. */
  follows?: boolean;
}

/** How far from its head a clause begins. */
const RIVER: Record<string, number> = {
  ...{ from: 2, join: 2, into: 2, set: 3, where: 1, group: 1, order: 1, limit: 1, using: 1 },
  ...{ and: 3, or: 4, having: 0, offset: 0, union: 0, except: 0, intersect: 0, returning: 0 },
  ...{ values: 0, "on conflict": 0, head: 0, select: 0, on: 4, window: 0 },
};
const COST: Record<string, number> = {
  on: 9,
  limit: 6,
  using: 4,
  into: 4,
  join: 3,
  order: 5,
  group: 4,
};
const COMPARISONS = ["=", "<>", "<", ">", "<=", ">=", "~", "!~", "is", "in", "like", "not"];
const OPERATORS = ["+", "-", "*", "/", "->", "->>", "<@", "@>", "&&", "&", "|", "#", "<<", ">>"];

/** Where a new line would begin with this token; undefined where none should. */
export function breakBefore(place: Place): Break | undefined {
  const { token, before, closes } = place;
  if (closes?.kind === "body" && closes.open) {
    return { cost: 0, from: closes.open, by: 0, ofLine: true };
  }
  if (before === undefined || isGlued(token, before)) return undefined;
  return ofStatement(place, before) ?? ofCase(place) ?? ofClause(place) ?? ofItem(place, before) ??
    ofExpression(place, before);
}

function isGlued(token: Token, before: Token): boolean {
  return [",", ";", ")", "]", ".", "::", "["].includes(token.text) ||
    [".", "::", "[", "@"].includes(before.text) || word(token) === "end" && word(before) !== ";" ||
    word(token) === "from" && word(before) === "distinct" ||
    token.text === "(" && token.at === before.at + before.text.length;
}

/** Statements, bodies, and the parts of statements that are no queries. */
function ofStatement(place: Place, before: Token): Break | undefined {
  const { token, statement, head, group } = place;
  const name = word(token);
  if (before.kind === "open") return { cost: 0, from: before, by: 2, ofLine: true };
  if (group.kind !== "body" && group.kind !== "text") return undefined;
  if (token === statement) {
    const isInside = before.text !== ";";
    return { cost: 0, from: before, by: isInside ? 2 : 0, ofLine: true };
  }
  if (name === "loop" || word(before) === "query" && word(statement) === "return") {
    return { cost: 1, from: statement, by: name === "loop" ? 0 : 2 };
  }
  if (word(before) === "in" && word(statement) === "for") {
    return { cost: 1, from: statement, by: 2 };
  }
  if (word(before) === "is" && word(statement) === "comment") {
    return { cost: 0, from: statement, by: 2 };
  }
  if (before.text === ":=") return { cost: 18, from: statement, by: 2 };
  if (head !== undefined) return undefined;
  if (name === "using" || DEFINITIONS.includes(name) && word(statement) !== "return") {
    return { cost: 3, from: statement, by: 2 };
  }
  return undefined;
}

/** What begins a part of a statement that defines something. */
const DEFINITIONS = ["on", "for", "where", "to", "from", "add", "as"];

function ofCase({ token, group, clause, content }: Place): Break | undefined {
  if (group.kind !== "case" || group.open === undefined) return undefined;
  const name = word(token);
  const when = group.when ?? group.open;
  if (name === "when") {
    return token === when ? { cost: 10, from: group.open, by: 2 } : { cost: 3, from: when, by: 0 };
  }
  if (name === "else") return { cost: 4, from: when, by: 0 };
  if (name === "then") return { cost: 11, from: when, by: 2 };
  if (word(clause) === "when" && (name === "and" || name === "or") && clause) {
    return { cost: 8, from: clause, by: name === "and" ? 1 : 2 };
  }
  return content === token ? undefined : undefined;
}

function ofClause(place: Place): Break | undefined {
  const { token, head, begins, clause, isBetween } = place;
  const name = word(token);
  if (head !== undefined && begins !== undefined) {
    const by = RIVER[begins] ?? 0;
    const wide = word(head) === "perform" || word(head) === "execute" ? word(head).length - 6 : 0;
    return { cost: COST[begins] ?? 2, from: head, by: by + (by > 0 ? wide : 0), follows: true };
  }
  if (begins === "order") return { cost: 12, from: place.group.open ?? token, by: 1 };
  if (isBetween || name !== "and" && name !== "or") return undefined;
  if (head !== undefined && clause !== undefined && word(clause) === "on") {
    return { cost: 12, from: head, by: RIVER[name] ?? 0, follows: true };
  }
  if (head !== undefined && ["where", "having"].includes(word(clause))) {
    return { cost: 4, from: head, by: RIVER[name] ?? 0, follows: true };
  }
  if (["if", "elsif", "while", "return", "exit", "continue"].includes(word(place.statement))) {
    if (place.group.kind === "body" && head === undefined) {
      return { cost: 4, from: place.statement, by: word(place.statement) === "if" ? 3 : 2 };
    }
  }
  return { cost: 8, from: place.item, by: 0 };
}

/** Behind a comma, and behind what opens a bracket. */
function ofItem(place: Place, before: Token): Break | undefined {
  const { token, group, content, statement, head } = place;
  if (before.text === ",") {
    if (group.kind === "(" || group.kind === "[") {
      const isValue = place.nth % 2 === 1 && /^jsonb?_build_object$/.test(group.of ?? "");
      return {
        cost: isValue ? 28 : head === undefined ? 6 : 5,
        from: content,
        by: 0,
        follows: true,
      };
    }
    if (head === undefined && word(place.clause) === "") return { cost: 6, from: statement, by: 2 };
    return { cost: 5, from: content, by: 0 };
  }
  if (before === group.open && before.text === "(" && token !== head) {
    return { cost: group.of === undefined ? 34 : 16, from: before, by: 2, ofLine: true };
  }
  return undefined;
}

/** Within an expression. */
function ofExpression({ token, item }: Place, before: Token): Break | undefined {
  const name = word(token);
  if (name === "||") return { cost: 12, from: item, by: 0 };
  if (token.kind === "string" && before.kind === "string") return { cost: 0, from: before, by: 0 };
  if (["check", "references", "foreign"].includes(name)) return { cost: 10, from: item, by: 2 };
  if (COMPARISONS.includes(name)) return { cost: 32, from: item, by: 2 };
  if (OPERATORS.includes(name)) return { cost: 36, from: item, by: 2 };
  if (token.at === before.at + before.text.length) return undefined;
  return { cost: 60, from: item, by: 2 };
}
