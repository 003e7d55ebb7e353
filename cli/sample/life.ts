import { hash, Random } from "./random.ts";
import { type Language, VOCABULARY } from "./words.ts";

/** What a column may hold: intervals, ranges and numerics are text. */
export type Value =
  | string
  | number
  | boolean
  | null
  | Date
  | Uint8Array
  | readonly (string | number)[]
  | Json;

/** One row by column name. */
export type Row = { readonly [column: string]: Value };

/** A row as its maker tells it. */
export type Untold = Row & { readonly created_at: Date };

/** A row with its id, which its position gives it. */
export type SampleRow = Untold & { readonly id: string };

/** Which life to tell. The same options always tell the same one. */
export interface SampleOptions {
  /** 0 to 65535; it can be read in every id. */
  readonly seed?: number;
  /** The last moment of the life; nothing is newer. */
  readonly now?: Date;
  readonly years?: number;
  /** 2 is twice as busy, 0.1 a tenth; the years stay. */
  readonly scale?: number;
}

/** Whose life it is when nobody says. */
export const DEFAULT_SEED = 1;

const DAY_MS = 86_400_000;

/** One day of the life. */
export class Day {
  constructor(readonly start: Date) {}

  /** As a Postgres date. */
  get date(): string {
    return this.start.toISOString().slice(0, 10);
  }

  /** Weekends and the holidays in August and around New Year. */
  get free(): boolean {
    const [month, date] = [this.start.getUTCMonth(), this.start.getUTCDate()];
    return [0, 6].includes(this.start.getUTCDay()) || (month === 7 && date < 15) ||
      (month === 11 && date > 23);
  }

  /** The moment so many hours into it. */
  at(hour: number): Date {
    return new Date(this.start.getTime() + Math.round(hour * 3_600_000));
  }

  /** The day so many days later. */
  plus(days: number): Day {
    return new Day(new Date(this.start.getTime() + Math.round(days) * DAY_MS));
  }
}

/** A span of days, a chance of its own and words: what the makers of rows draw from. */
export class Life {
  readonly random: Random;
  readonly now: Date;
  readonly scale: number;
  readonly #seed: number;
  readonly #days: number;

  constructor(dataset: string, options: SampleOptions = {}) {
    const { seed = DEFAULT_SEED, now = new Date(), years = 3, scale = 1 } = options;
    this.#seed = seed;
    this.random = new Random(`${seed}/${dataset}`);
    this.now = now;
    this.scale = scale;
    this.#days = Math.floor(years * 365.25);
  }

  /** Oldest first; the last one is today. */
  *days(): Generator<Day> {
    const today = new Day(new Date(Math.floor(this.now.getTime() / DAY_MS) * DAY_MS));
    for (let ago = this.#days - 1; ago >= 0; ago--) yield today.plus(-ago);
  }

  /** Days on which something happens that happens `perYear` times, as often as it does. */
  *moments(perYear: number): Generator<Day> {
    for (const day of this.days()) {
      for (let n = this.random.count(perYear * this.scale / 365.25); n > 0; n--) yield day;
    }
  }

  /** `5eed`, the seed, the dataset, the position: the same every time and easy to find. */
  id(dataset: string, index: number): string {
    return sampleId(this.#seed, dataset, index);
  }

  language(): Language {
    return this.random.chance(0.55) ? "de" : "en";
  }

  /** One phrase with its slots filled. */
  say(kind: "sentences" | "tasks" | "titles" | "affirmations", language: Language): string {
    const words = VOCABULARY[language];
    const pattern = this.random.pick(words[kind]);
    const text = pattern.replace(/\{(\w+)\}/g, (slot, name: string) => {
      const phrases = words.slots[name];
      return phrases === undefined ? slot : this.random.pick(phrases);
    });
    return text.charAt(0).toUpperCase() + text.slice(1);
  }

  /** Paragraphs of at least so many characters. */
  prose(characters: number, language: Language): string {
    const sentences: string[] = [];
    let length = 0;
    while (length < characters) {
      const sentence = this.say("sentences", language);
      sentences.push(sentence, this.random.chance(0.2) ? "\n\n" : " ");
      length += sentence.length + 1;
    }
    return sentences.join("").trimEnd();
  }
}

/** The id of a sample row: within `sampleIds(seed, dataset)`. */
export function sampleId(seed: number, dataset: string, index: number): string {
  const mixed = new Random(`${seed}/${dataset}/${index}`);
  return `${idPrefix(seed, dataset)}-8${hex(mixed.bits(), 3)}-a${hex(mixed.bits(), 3)}-` +
    `${hex(mixed.bits(), 4)}${hex(index, 8)}`;
}

/** The first and the last id that sample rows can have: no other row lies between them. */
export function sampleIds(seed: number, dataset: string): [first: string, last: string] {
  const prefix = idPrefix(seed, dataset);
  return [`${prefix}-8000-a000-000000000000`, `${prefix}-8fff-afff-ffffffffffff`];
}

function idPrefix(seed: number, dataset: string): string {
  return `5eed${hex(seed, 4)}-${hex(hash(dataset), 4)}`;
}

function hex(n: number, digits: number): string {
  return n.toString(16).padStart(digits, "0").slice(0, digits);
}

/** An interval, to the second. */
export function minutes(count: number): string {
  const seconds = Math.max(0, Math.round(count * 60));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return [h, m, s].map((n) => String(n).padStart(2, "0")).join(":");
}

/** A number with so many decimals, as text: numerics do not pass through floats. */
export function decimal(value: number, places: number): string {
  return value.toFixed(places);
}

/** JSON, as text from the start, so that its digest can be taken. */
export class Json {
  constructor(readonly text: string) {}
}

/** Writes a value as JSON. */
export function json(value: unknown): Json {
  return new Json(JSON.stringify(value));
}
