/**
 * The move protocol as a state model. Each action is one transaction of the real thing, or something
 * that happens to it:
 *
 * | action                 | in SQL                                                                 |
 * | ---------------------- | ---------------------------------------------------------------------- |
 * | claim, take up         | claim(): 000600_moves; an open move first, then a row (take_up)        |
 * | claim besides          | claim(p_besides): the next batch while others are under way            |
 * | receive, … is committed| receive(): 000700_arrivals; its rows are in, then they are committed   |
 * | prove                  | prove(): what is committed; nothing where the move never arrived       |
 * | purge                  | purge(): 000610_purges; deletes by proof and version, says what it kept|
 * | close                  | close_arrival(): retracts what was kept, shuts the door                |
 * | finish                 | close_move(): the source forgets the move                              |
 * | tidy                   | tidy_arrivals(): 000820_runs; open arrivals their source does not know |
 * | a driver dies          | its session, the line or either server is gone; its last call may have |
 * |                        | got there, may get there much later, or never                          |
 * | a receive is lost      | the colder server dies before it commits                               |
 * | the owner …            | writers, on the first tier                                             |
 *
 * A driver takes one batch after another (advance() of 000810_drivers) or has several under way (a flow,
 * 000815_flows): then each batch has a lane of its own, and what happens in one lane may come before
 * or after anything in another. Every call is taken for one over a line of its own, so that push and
 * pull and any order of messages are covered: a call that is local is never late, which is a special
 * case, and so is a message of several statements.
 * The lock of a turn is left out on purpose: it spares work and is not what keeps rows safe.
 */
import type { Model, Step } from "./checker.ts";
import type { Guard, World } from "./world.ts";
import {
  type Arrival,
  type Batch,
  type Call,
  copyOf,
  type Driver,
  type Move,
  newId,
  normal,
  put,
  rowOf,
  type State,
} from "./state.ts";

const TIERS = ["core", "main", "archive"];

/** The protocol in a world. */
export function protocol(world: World): Model<State> {
  const { tiers, keys, drivers, lanes, writes, crashes } = world;
  const links = Array.from({ length: tiers - 1 }, () => []);
  return {
    initial: {
      rows: Array.from({ length: tiers }, (_, tier) => Array(keys).fill(tier === 0 ? 1 : 0)),
      moves: structuredClone(links),
      arrivals: structuredClone(links),
      calls: [],
      drivers: drivers.map((link) => rested(link, lanes)),
      journal: Array(keys).fill(1),
      writes,
      crashes,
    },
    next: (state) => new Turn(world, state).steps(),
    wrong: (state) => wrong(state),
    quiet: isQuiet,
  };
}

const rested = (link: number, lanes: number): Driver => ({
  link,
  busy: false,
  lanes: Array(lanes).fill(null),
});

function isQuiet({ calls, drivers, moves, arrivals }: State): boolean {
  return calls.length === 0 && drivers.every(({ busy }) => !busy) &&
    moves.every((open) => open.length === 0) &&
    arrivals.every((all) => all.every(({ open }) => !open));
}

/** Nothing is lost at any time; at rest nothing is twice, and nothing deleted is back. */
function wrong(state: State): string | undefined {
  for (const [key, content] of state.journal.entries()) {
    const found = state.rows.map((rows) => rows[key] ?? 0);
    if (content !== 0 && !found.includes(content)) return `row ${key + 1} is lost`;
    if (!isQuiet(state)) continue;
    const copies = found.filter((one) => one !== 0).length;
    if (content === 0 && copies > 0) return `row ${key + 1} was deleted and is back`;
    if (content !== 0 && copies > 1) return `row ${key + 1} is on two tiers`;
  }
  return undefined;
}

/** Everything that may happen next in one state. */
class Turn {
  readonly #steps: Step<State>[] = [];

  constructor(readonly world: World, readonly before: State) {}

  steps(): Step<State>[] {
    this.#owner();
    for (const [index, { busy, link }] of this.before.drivers.entries()) {
      if (busy) this.#die(index);
      else this.#start(index, link);
    }
    for (const [index, call] of this.before.calls.entries()) this.#call(index, call);
    for (const link of this.before.moves.keys()) this.#tidy(link);
    return this.#steps;
  }

  #has(guard: Guard): boolean {
    return this.world.without !== guard;
  }

  #may(action: string, happen: (state: State) => void): void {
    const state = copyOf(this.before);
    happen(state);
    this.#steps.push({ action, state: normal(state) });
  }

  #owner(): void {
    if (this.before.writes === 0) return;
    for (let key = 0; key < this.world.keys; key++) {
      const there = rowOf(this.before, 0, key) !== 0;
      const write = (content: number) => (state: State) => {
        put(state, 0, key, content);
        state.journal[key] = content;
        state.writes -= 1;
      };
      const next = 1 + this.world.writes - this.before.writes + 1;
      if (there) {
        this.#may(`the owner updates row ${key + 1}`, write(next));
        this.#may(`the owner deletes row ${key + 1}`, write(0));
      } else if (this.before.journal[key] === 0) {
        this.#may(`the owner inserts row ${key + 1} again`, write(next));
      }
    }
  }

  #start(index: number, link: number): void {
    this.#may(`driver ${index + 1} starts`, (state) => {
      const driver = state.drivers[index];
      if (driver !== undefined) driver.busy = true;
      ask(state, { driver: index, lane: 0, link }, "claim", null);
    });
  }

  #die(index: number): void {
    if (this.before.crashes === 0) return;
    this.#may(`driver ${index + 1} dies`, (state) => {
      state.crashes -= 1;
      this.#end(state, index);
    });
  }

  /** A driver forgets everything; its calls go their own ways. */
  #end(state: State, index: number): void {
    state.drivers[index] = rested(state.drivers[index]?.link ?? 0, this.world.lanes);
    for (const call of state.calls) {
      if (call.driver === index) [call.driver, call.lane] = [-1, 0];
    }
  }

  #tidy(link: number): void {
    const open = this.before.moves[link] ?? [];
    for (const { id, ...arrival } of this.before.arrivals[link] ?? []) {
      if (!arrival.open || open.some((move) => move.id === id) || this.#isLocked(link + 1)) {
        continue;
      }
      this.#may(
        `tidy: ${TIERS[link + 1]} closes an arrival ${TIERS[link]} does not know`,
        (state) => {
          const found = arrivalOf(state, link, id);
          if (found !== undefined) found.open = false;
          if (!this.#has("tombstone")) forget(state, link, id);
        },
      );
    }
  }

  /** A receive that is not committed holds its tier's lock on the dataset. */
  #isLocked(tier: number): boolean {
    return this.before.calls.some((call) => call.pending && call.link + 1 === tier);
  }

  #call(index: number, call: Call): void {
    const { what, batch, link, driver } = call;
    const late = driver < 0 ? "late, " : "";
    const row = batch === null ? "" : ` of row ${batch.key + 1}`;
    const beside = call.besides.length > 0 ? " besides" : "";
    const name = `${late}${what}${beside}${row}${late === "" ? ` (driver ${driver + 1})` : ""}`;
    if (late !== "" && !call.pending) {
      this.#may(`a call is lost: ${what}${row}`, (state) => void state.calls.splice(index, 1));
    }
    if (what === "receive") return this.#receive(index, call, name);
    const tier = ["prove", "close"].includes(what) ? link + 1 : link;
    if (what !== "prove" && this.#isLocked(tier)) return;
    if (what === "claim") return this.#claim(index, call, name);
    this.#may(name, (state) => {
      const [taken] = state.calls.splice(index, 1);
      if (taken?.batch == null) return;
      this.#answer(state, taken, this.#execute(state, taken, taken.batch));
    });
  }

  #claim(index: number, call: Call, name: string): void {
    const { link, besides } = call;
    const isBeside = besides.length > 0;
    const moves = this.before.moves[link] ?? [];
    const [oldest] = moves.filter(({ id }) => !besides.includes(id));
    const taken = (found: Batch | null, move?: Move) => (state: State) => {
      const [answered] = state.calls.splice(index, 1);
      if (answered === undefined) return;
      if (move !== undefined) state.moves[link]?.push(move);
      this.#claimed(state, answered, found, move === undefined);
    };
    if (oldest !== undefined && this.#has("takeUp")) {
      if (isBeside) return this.#may(`${name}: blocked`, taken(null));
      const { id, key, content } = oldest;
      return this.#may(`${name}: takes up the move of row ${key + 1}`, taken({ id, key, content }));
    }
    const arrivals = link > 0 ? this.before.arrivals[link - 1] ?? [] : [];
    const isBlocked = this.#has("blocked") && arrivals.some((one) => one.open);
    const passed = moves.filter(({ id }) => this.#has("besides") && besides.includes(id));
    const due = isBlocked
      ? []
      : (this.before.rows[link] ?? []).flatMap((content, key) =>
        content === 0 || passed.some((move) => move.key === key) ? [] : [{ key, content }]
      );
    if (due.length === 0) return this.#may(`${name}: nothing`, taken(null));
    for (const { key, content } of due) {
      const id = newId(this.before, link);
      const move: Move = { id, key, content, same: true, state: "claimed", kept: false };
      this.#may(`${name}: row ${key + 1}`, taken({ id, key, content }, move));
    }
  }

  #claimed(state: State, call: Call, batch: Batch | null, isTakenUp: boolean): void {
    const driver = state.drivers[call.driver];
    if (driver === undefined) return; // an orphan's move is open all the same
    if (batch === null) return this.#rest(state, call.driver);
    const { lane, link } = call;
    driver.lanes[lane] = batch;
    const purged = state.moves[link]?.find(({ id }) => id === batch.id)?.state === "purged";
    ask(state, call, !isTakenUp ? "receive" : purged ? "purge" : "prove", batch);
    if (!isTakenUp && lane + 1 < this.world.lanes) {
      const besides = driver.lanes.flatMap((one) => one === null ? [] : [one.id]);
      ask(state, { ...call, lane: lane + 1 }, "claim", null, { besides });
    }
  }

  /** A driver with nothing under way any more has come to its end; the next run claims again. */
  #rest(state: State, index: number): void {
    const isWaiting = state.calls.some((call) => call.driver === index);
    if (!isWaiting) this.#end(state, index);
  }

  #receive(index: number, call: Call, name: string): void {
    const { link, batch } = call;
    if (batch === null) return;
    if (!call.pending) {
      if (this.#isLocked(link + 1)) return;
      return this.#may(name, (state) => {
        const begun = state.calls[index];
        if (begun !== undefined) begun.pending = true;
      });
    }
    if (this.before.crashes > 0) {
      this.#may(`a receive of row ${batch.key + 1} is lost before it commits`, (state) => {
        state.crashes -= 1;
        const [lost] = state.calls.splice(index, 1);
        if (lost !== undefined && lost.driver >= 0) this.#end(state, lost.driver);
      });
    }
    this.#may(`${name} is committed`, (state) => {
      const [taken] = state.calls.splice(index, 1);
      if (taken === undefined) return;
      const arrival = arrivalOf(state, link, batch.id);
      if (arrival?.open === false) return this.#answer(state, taken, "refused");
      if (arrival === undefined) {
        const brought = rowOf(state, link + 1, batch.key) === 0; // never over an existing row
        if (brought) put(state, link + 1, batch.key, batch.content);
        state.arrivals[link]?.push({ id: batch.id, open: true, brought });
      }
      this.#answer(state, taken, "done");
    });
  }

  /** prove, purge, close or finish, as one transaction. */
  #execute(state: State, call: Call, batch: Batch): Answer {
    const { link } = call;
    const move = state.moves[link]?.find(({ id }) => id === batch.id);
    switch (call.what) {
      case "prove": {
        const pending = state.calls.find((one) =>
          one.pending && one.link === link && one.batch?.id === batch.id
        );
        if (pending !== undefined && !this.#has("committed")) return { proof: batch.content };
        const known = arrivalOf(state, link, batch.id) !== undefined;
        return { proof: known ? rowOf(state, link + 1, batch.key) : 0 };
      }
      case "purge":
        if (move === undefined) return "refused";
        if (move.state === "claimed") this.#purge(state, link, move, call.proof ?? 0);
        return { kept: move.kept };
      case "close":
        return this.#close(state, call, batch);
      default:
        if (move?.state !== "purged") return "refused";
        state.moves[link] = (state.moves[link] ?? []).filter((one) => one !== move);
        return "done";
    }
  }

  #purge(state: State, link: number, move: Move, proof: number): void {
    const proved = this.#has("proof") ? proof === move.content : true;
    const goes = proved && (move.same || !this.#has("version")) &&
      rowOf(state, link, move.key) !== 0;
    if (goes) put(state, link, move.key, 0);
    move.state = "purged";
    move.kept = !goes;
  }

  #close(state: State, { link, kept }: Call, { id, key, content }: Batch): Answer {
    const arrival = arrivalOf(state, link, id);
    if (arrival === undefined) {
      if (this.#has("tombstone")) state.arrivals[link]?.push({ id, open: false, brought: false });
      return "done";
    }
    const isOurs = arrival.open && arrival.brought && rowOf(state, link + 1, key) === content;
    if (kept && isOurs && this.#has("retract")) put(state, link + 1, key, 0);
    arrival.open = false;
    if (!this.#has("tombstone")) forget(state, link, id);
    return "done";
  }

  /** What a driver does with an answer; an orphan's goes nowhere. */
  #answer(state: State, call: Call, answer: Answer): void {
    const driver = state.drivers[call.driver];
    const { batch } = call;
    if (driver === undefined) return;
    if (answer === "refused") return this.#end(state, call.driver); // somebody else was here
    if (call.what === "receive") return ask(state, call, "prove", batch);
    if (call.what === "prove" && typeof answer === "object") {
      return ask(state, call, "purge", batch, { proof: answer.proof ?? 0 });
    }
    if (call.what === "purge" && typeof answer === "object") {
      return ask(state, call, "close", batch, { kept: answer.kept ?? false });
    }
    if (call.what === "close") return ask(state, call, "finish", batch);
    driver.lanes[call.lane] = null;
    this.#rest(state, call.driver);
  }
}

type Answer = "done" | "refused" | { proof?: number; kept?: boolean };

function ask(
  state: State,
  { driver, lane, link }: Pick<Call, "driver" | "lane" | "link">,
  what: Call["what"],
  batch: Batch | null,
  more: Partial<Pick<Call, "proof" | "kept" | "besides">> = {},
): void {
  const { proof = null, kept = false, besides = [] } = more;
  const copy = batch === null ? null : { ...batch };
  state.calls.push({ driver, lane, link, what, batch: copy, besides, proof, kept, pending: false });
}

function arrivalOf(state: State, link: number, id: number): Arrival | undefined {
  return state.arrivals[link]?.find((arrival) => arrival.id === id);
}

function forget(state: State, link: number, id: number): void {
  state.arrivals[link] = (state.arrivals[link] ?? []).filter((one) => one.id !== id);
}
