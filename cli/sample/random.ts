import fnv1a from "@sindresorhus/fnv1a";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** Spreads a text over 32 bits. */
export function hash(text: string): number {
  return Number(fnv1a(text, { size: 32 }));
}

/** A repeatable source of chance: the same name always tells the same story. */
export class Random {
  readonly #source: ReturnType<typeof xoroshiro128plus>;

  constructor(name: string) {
    this.#source = xoroshiro128plus(hash(name));
  }

  /** 32 evenly spread bits. */
  bits(): number {
    return this.#source.next() >>> 0;
  }

  /** Evenly in [low, high). */
  between(low: number, high: number): number {
    return low + uniformFloat64(this.#source) * (high - low);
  }

  /** Evenly, both ends included. */
  integer(low: number, high: number): number {
    return uniformInt(this.#source, low, high);
  }

  chance(probability: number): boolean {
    return this.between(0, 1) < probability;
  }

  /** Around the mean, two thirds of the time within one spread. */
  normal(mean: number, spread: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.between(0, 1)));
    return mean + spread * radius * Math.cos(2 * Math.PI * this.between(0, 1));
  }

  /** How often something happens that happens `mean` times on average, calm days and busy ones. */
  count(mean: number): number {
    return Math.floor(mean * this.between(0.2, 1.8) + this.between(0, 1));
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.integer(0, choices.length - 1)] ?? choices[0];
  }

  /** A few different ones, in the order they are listed. */
  some<T>(choices: readonly T[], low: number, high: number): T[] {
    let wanted = this.integer(low, high);
    return choices.filter((_, i) => this.chance(wanted / (choices.length - i)) && wanted-- > 0);
  }

  /** Noise that does not compress, like sound and pictures. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let i = 0; i < words.length; i++) words[i] = this.bits();
    return new Uint8Array(words.buffer, 0, length);
  }
}
