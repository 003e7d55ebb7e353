/** FNV-1a: spreads a text over 32 bits. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** A repeatable source of chance (mulberry32): the same name always tells the same story. */
export class Random {
  #state: number;

  constructor(name: string) {
    this.#state = hash(name);
  }

  /** 32 evenly spread bits. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** Evenly in [low, high). */
  between(low: number, high: number): number {
    return low + (this.bits() / 2 ** 32) * (high - low);
  }

  /** Evenly, both ends included. */
  integer(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1));
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
