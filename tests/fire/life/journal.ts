import { type Tier, TIERS } from "../../../local/settings.ts";

/** Where a row belongs when everything has settled; `gone` is deleted by its policy. */
export type Place = Tier | "gone";

/** What a writer knows of one of its rows. */
interface Entry {
  place: Place;
  /** What the row may be: its text, or `undefined` for none. Two, when an answer never came. */
  states: (string | undefined)[];
}

/** What one look at every tier found of a row. */
export interface Found {
  tier: Tier;
  text: string;
}

/** What is wrong with the rows, by number of rows. */
export interface Verdict {
  lost: number;
  duplicated: number;
  resurrected: number;
  misplaced: number;
  /** A sentence for each of the first of them. */
  says: string[];
}

/** What writers did, as exactly as they can know it. */
export class Journal {
  #entries = new Map<number, Entry>();
  #lastId = 0;

  newId(): number {
    return ++this.#lastId;
  }

  /** The youngest rows that a writer may touch: those whose state is known and that are there. */
  known(): number[] {
    const first = Math.max(1, this.#lastId - 300);
    return Array.from({ length: this.#lastId - first + 1 }, (_, at) => first + at)
      .filter((id) => this.isKnown(id) && this.textOf(id) !== undefined);
  }

  textOf(id: number): string | undefined {
    return this.#entries.get(id)?.states[0];
  }

  isKnown(id: number): boolean {
    return this.#entries.get(id)?.states.length === 1;
  }

  /** A statement is about to be sent. Until it is settled, either may be. */
  attempt(id: number, text: string | undefined, place?: Place): void {
    const entry = this.#entries.get(id) ?? { place: place ?? "core", states: [undefined] };
    this.#entries.set(id, { ...entry, states: [...entry.states, text] });
  }

  /** It is known whether the statement took effect. */
  settle(id: number, tookEffect: boolean): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const [before, after] = entry.states;
    entry.states = [tookEffect ? after : before];
  }

  /**
   * Compares with what is there, and takes that over for what was uncertain. `colderToo`: a drain may
   * have settled rows ahead of their policy.
   */
  judge(found: Map<number, Found[]>, { colderToo }: { colderToo: boolean }): Verdict {
    const verdict: Verdict = { lost: 0, duplicated: 0, resurrected: 0, misplaced: 0, says: [] };
    const blame = (kind: Exclude<keyof Verdict, "says">, sentence: string) => {
      verdict[kind]++;
      if (verdict.says.length < 20) verdict.says.push(`${kind}: ${sentence}`);
    };
    for (const [id, entry] of this.#entries) {
      const here = found.get(id) ?? [];
      const where = here.map(({ tier, text }) => `${tier} holds ${text}`).join("; ");
      const wanted = entry.states.map((text) => text ?? "nothing").join(" or ");
      const mayBeAbsent = entry.place === "gone" || entry.states.includes(undefined);
      if (here.length > 1) {
        blame("duplicated", `row ${id} should be ${wanted}; ${where}`);
      } else if (here[0] === undefined) {
        if (!mayBeAbsent) blame("lost", `row ${id} should be ${wanted}, and is nowhere`);
      } else if (entry.states.every((text) => text === undefined)) {
        blame("resurrected", `row ${id} was deleted; ${where}`);
      } else if (!entry.states.includes(here[0].text)) {
        blame("lost", `row ${id} should be ${wanted}; ${where}`);
      } else if (!belongs(here[0].tier, entry.place, colderToo)) {
        blame("misplaced", `row ${id} belongs to ${entry.place}; ${where}`);
      }
      entry.states = [here[0]?.text];
    }
    for (const [id, here] of found) {
      if (!this.#entries.has(id)) {
        blame("resurrected", `row ${id} was never written; ${here[0]?.tier} holds it`);
      }
    }
    return verdict;
  }
}

function belongs(tier: Tier, place: Place, colderToo: boolean): boolean {
  if (place === "gone") return false;
  return tier === place || (colderToo && TIERS.indexOf(tier) > TIERS.indexOf(place));
}
