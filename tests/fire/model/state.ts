/** What the model of the move protocol remembers, and how equal situations are made equal. */

/** A move at its source, open. The batch is one row: its key, and the content that was claimed. */
export interface Move {
  id: number;
  key: number;
  content: number;
  /** The row is still the claimed version. */
  same: boolean;
  state: "claimed" | "purged";
  /** Claimed, and not purged. */
  kept: boolean;
}

/** A move at its destination. A closed one is a tombstone. */
export interface Arrival {
  id: number;
  open: boolean;
  /** The row came with this move; else it was there before, or nothing ever came. */
  brought: boolean;
}

/** What a driver knows of a batch. */
export interface Batch {
  id: number;
  key: number;
  content: number;
}

/** A call between driver and tier, on its way. An orphan's driver is dead; it may still arrive. */
export interface Call {
  driver: number;
  link: number;
  what:
    | "claim"
    | "claim ahead"
    | "receive"
    | "receive ahead"
    | "prove"
    | "purge"
    | "close"
    | "finish";
  batch: Batch | null;
  /** For purge: the content that was proved. */
  proof: number | null;
  kept: boolean;
  /** receive: the rows are in, and not committed yet. */
  pending: boolean;
}

/** A driver's memory, gone when it dies. What it waits for is among the calls. */
export interface Driver {
  link: number;
  busy: boolean;
  current: Batch | null;
  /** The last batch went well: the next may be claimed ahead. */
  ahead: Batch | null;
  aheadIsThere: boolean;
}

/** Everything. Link n leads from tier n to tier n + 1. */
export interface State {
  /** Per tier and key: the content; 0: no row. */
  rows: number[][];
  moves: Move[][];
  arrivals: Arrival[][];
  calls: Call[];
  drivers: Driver[];
  /** Per key: what its owner has last written; 0: deleted. */
  journal: number[];
  /** How often writers may still write, and something may still die. */
  writes: number;
  crashes: number;
}

/** The row under a key of a tier became another one: no open move has its version any more. */
export function put(state: State, tier: number, key: number, content: number): void {
  const rows = state.rows[tier];
  if (rows !== undefined) rows[key] = content;
  for (const move of state.moves[tier] ?? []) if (move.key === key) move.same = false;
}

/** The content under a key of a tier; 0: there is no row. */
export function rowOf(state: State, tier: number, key: number): number {
  return state.rows[tier]?.[key] ?? 0;
}

/**
 * Numbers moves anew in their order and forgets tombstones nobody can ask about any more, so that
 * situations that differ in nothing else are one state.
 */
export function normal(state: State): State {
  for (const [link, arrivals] of state.arrivals.entries()) {
    const isAsked = (id: number) =>
      state.moves[link]?.some((move) => move.id === id) ||
      state.calls.some((call) => call.link === link && call.batch?.id === id) ||
      state.drivers.some((one) =>
        one.link === link && (one.current?.id === id || one.ahead?.id === id)
      );
    state.arrivals[link] = arrivals.filter(({ id, open }) => open || isAsked(id));
    renumber(state, link);
  }
  if (state.calls.length > 1) state.calls.sort((a, b) => rank(a) - rank(b));
  return state;
}

const WHATS = [
  "claim",
  "claim ahead",
  "receive",
  "receive ahead",
  "prove",
  "purge",
  "close",
  "finish",
];

/** No two calls that differ have the same rank: ids, keys and contents are below 16. */
function rank({ driver, link, what, batch, proof, kept, pending }: Call): number {
  return [
        link,
        WHATS.indexOf(what),
        batch?.id ?? 0,
        batch?.key ?? 0,
        batch?.content ?? 0,
        proof ?? 15,
      ]
        .reduce((sum, part) => sum * 16 + part, driver + 1) * 4 +
    (kept ? 2 : 0) + (pending ? 1 : 0);
}

/** A copy that may be changed. */
export function copyOf(state: State): State {
  const batch = (one: Batch | null) => one === null ? null : { ...one };
  return {
    rows: state.rows.map((rows) => [...rows]),
    moves: state.moves.map((moves) => moves.map((move) => ({ ...move }))),
    arrivals: state.arrivals.map((all) => all.map((one) => ({ ...one }))),
    calls: state.calls.map((call) => ({ ...call, batch: batch(call.batch) })),
    drivers: state.drivers.map((one) => ({
      ...one,
      current: batch(one.current),
      ahead: batch(one.ahead),
    })),
    journal: [...state.journal],
    writes: state.writes,
    crashes: state.crashes,
  };
}

function renumber(state: State, link: number): void {
  const named: { id: number }[] = [...state.moves[link] ?? [], ...state.arrivals[link] ?? []];
  for (const call of state.calls) if (call.link === link && call.batch) named.push(call.batch);
  for (const one of state.drivers) {
    if (one.link === link && one.current) named.push(one.current);
    if (one.link === link && one.ahead) named.push(one.ahead);
  }
  const ids = [...new Set(named.map(({ id }) => id))].sort((a, b) => a - b);
  for (const one of named) one.id = ids.indexOf(one.id) + 1;
  state.arrivals[link]?.sort((a, b) => a.id - b.id);
}

/** A number no move of a link has. */
export function newId(state: State, link: number): number {
  const ids = [...state.moves[link] ?? [], ...state.arrivals[link] ?? []].map(({ id }) => id);
  for (const call of state.calls) if (call.link === link && call.batch) ids.push(call.batch.id);
  for (const one of state.drivers) {
    if (one.link === link) ids.push(one.current?.id ?? 0, one.ahead?.id ?? 0);
  }
  return Math.max(0, ...ids) + 1;
}
