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

const WHATS = ["claim", "receive", "prove", "purge", "close", "finish"] as const;

/** What can be asked of a tier. */
export type What = typeof WHATS[number];

/** A call between driver and tier, on its way. An orphan's driver is dead; it may still arrive. */
export interface Call {
  driver: number;
  /** Which of the driver's batches it is about. */
  lane: number;
  link: number;
  what: What;
  batch: Batch | null;
  /** claim: moves of the same driver that are under way. */
  besides: number[];
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
  /** The batches under way, oldest first; null: done with, or not claimed yet. */
  lanes: (Batch | null)[];
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
    const asked = new Set((state.moves[link] ?? []).map(({ id }) => id));
    for (const call of state.calls) if (call.link === link && call.batch) asked.add(call.batch.id);
    for (const one of state.drivers) {
      if (one.link === link) { for (const batch of one.lanes) if (batch) asked.add(batch.id); }
    }
    state.arrivals[link] = arrivals.filter(({ id, open }) => open || asked.has(id));
    renumber(state, link);
  }
  if (state.calls.length > 1) state.calls.sort((a, b) => rank(a) - rank(b));
  return state;
}

function renumber(state: State, link: number): void {
  const named: { id: number }[] = [...state.moves[link] ?? [], ...state.arrivals[link] ?? []];
  for (const call of state.calls) if (call.link === link && call.batch) named.push(call.batch);
  for (const one of state.drivers) {
    if (one.link === link) { for (const batch of one.lanes) if (batch) named.push(batch); }
  }
  const ids = [...new Set(named.map(({ id }) => id))].sort((a, b) => a - b);
  for (const one of named) one.id = ids.indexOf(one.id) + 1;
  for (const call of state.calls) {
    if (call.link !== link || call.besides.length === 0) continue;
    call.besides = call.besides.map((id) => ids.indexOf(id) + 1).filter((id) => id > 0).sort();
  }
  state.arrivals[link]?.sort((a, b) => a.id - b.id);
}

/** A number no move of a link has. */
export function newId(state: State, link: number): number {
  const ids = [...state.moves[link] ?? [], ...state.arrivals[link] ?? []].map(({ id }) => id);
  for (const call of state.calls) if (call.link === link && call.batch) ids.push(call.batch.id);
  for (const one of state.drivers) {
    if (one.link === link) { for (const batch of one.lanes) ids.push(batch?.id ?? 0); }
  }
  return Math.max(0, ...ids) + 1;
}

/** No two calls that differ have the same rank: ids, keys and contents are below 8. */
function rank(call: Call): number {
  const { driver, lane, link, what, batch, proof, besides } = call;
  return [
        lane,
        link,
        WHATS.indexOf(what),
        batch?.id ?? 0,
        batch?.key ?? 0,
        batch?.content ?? 0,
        proof ?? 7,
        ...[0, 1, 2].map((at) => besides[at] ?? 0),
      ].reduce((sum, part) => sum * 8 + part, driver + 1) * 4 +
    (call.kept ? 2 : 0) +
    (call.pending ? 1 : 0);
}

/** A copy that may be changed. */
export function copyOf(state: State): State {
  const batch = (one: Batch | null) => one === null ? null : { ...one };
  return {
    rows: state.rows.map((rows) => [...rows]),
    moves: state.moves.map((moves) => moves.map((move) => ({ ...move }))),
    arrivals: state.arrivals.map((all) => all.map((one) => ({ ...one }))),
    calls: state.calls.map((call) => ({
      ...call,
      batch: batch(call.batch),
      besides: [...call.besides],
    })),
    drivers: state.drivers.map((one) => ({ ...one, lanes: one.lanes.map(batch) })),
    journal: [...state.journal],
    writes: state.writes,
    crashes: state.crashes,
  };
}
