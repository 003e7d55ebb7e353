/**
 * A small explicit-state model checker: it visits every state that can be reached, breadth first, so
 * that the trace to a bad state is a shortest one.
 */

/** Something that may happen in a state, and what it leads to. */
export interface Step<State> {
  action: string;
  state: State;
}

/** What is checked. States are compared as their JSON. */
export interface Model<State> {
  initial: State;
  next(state: State): Step<State>[];
  /** What is wrong with a state, whenever it occurs. */
  wrong(state: State): string | undefined;
  /** Whether nothing is under way. From every state such a state must be reachable. */
  quiet(state: State): boolean;
}

/** What was found: how many states were visited, and the first that must not be. */
export interface Verdict {
  states: number;
  /** These are all there are. Else nothing is said about coming to rest. */
  complete: boolean;
  violation?: { says: string; trace: string[] };
}

/** One visited state: how it was first reached, and whence it can be. */
interface Visit {
  text: string;
  from: number;
  action: string;
  before: number[];
}

/** Visits all states, or the nearest `most` of them. */
export function check<State>(model: Model<State>, most = Infinity): Verdict {
  const visits: Visit[] = [];
  const known = new Map<string, number>();
  const quiet: number[] = [];
  const visit = (state: State, from: number, action: string) => {
    const text = JSON.stringify(state);
    const seen = known.get(text);
    if (seen !== undefined) {
      visits[seen]?.before.push(from);
      return;
    }
    known.set(text, visits.length);
    visits.push({ text, from, action, before: from < 0 ? [] : [from] });
  };
  visit(model.initial, -1, "");
  for (let at = 0; at < visits.length; at++) {
    if (visits.length > most) return { states: at, complete: false };
    const state: State = JSON.parse(visits[at]?.text ?? "");
    const says = model.wrong(state);
    if (says !== undefined) {
      return { states: at, complete: false, violation: { says, trace: traceTo(visits, at) } };
    }
    if (model.quiet(state)) quiet.push(at);
    for (const step of model.next(state)) visit(step.state, at, step.action);
  }
  const stuck = firstThatCannotReach(visits, quiet);
  const found = { states: visits.length, complete: true };
  if (stuck === undefined) return found;
  const trace = traceTo(visits, stuck);
  return { ...found, violation: { says: "it never comes to rest again", trace } };
}

function traceTo(visits: Visit[], last: number): string[] {
  const trace: string[] = [];
  for (let at = last; at > 0; at = visits[at]?.from ?? 0) trace.unshift(visits[at]?.action ?? "");
  return trace;
}

/** Walks back from the quiet states; what is not met has no way to any of them. */
function firstThatCannotReach(visits: Visit[], quiet: number[]): number | undefined {
  const reaches = new Uint8Array(visits.length);
  const left = [...quiet];
  for (const at of left) reaches[at] = 1;
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    for (const before of visits[at]?.before ?? []) {
      if (reaches[before] === 1) continue;
      reaches[before] = 1;
      left.push(before);
    }
  }
  const stuck = reaches.indexOf(0);
  return stuck < 0 ? undefined : stuck;
}
