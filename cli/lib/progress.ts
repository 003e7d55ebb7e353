/** A progress bar on stderr; nothing at all where stderr is not a terminal. */

const WIDTH = 28;
const PAUSE_MS = 80;

/** Long work under way. Ends, and leaves its line clean, when it is disposed of. */
export class Progress implements Disposable {
  #done = 0;
  #drawnAt = 0;
  readonly #shown = Deno.stderr.isTerminal();

  constructor(
    private readonly label: string,
    private total: number,
    private readonly show: (value: number) => string = String,
  ) {}

  /** So much is done now; the total may have grown meanwhile. */
  at(done: number, total: number = this.total): void {
    this.#done = done;
    this.total = Math.max(total, done);
    if (!this.#shown || Date.now() - this.#drawnAt < PAUSE_MS) return;
    this.#drawnAt = Date.now();
    this.#draw();
  }

  /** So much more is done. */
  add(more: number): void {
    this.at(this.#done + more);
  }

  [Symbol.dispose](): void {
    if (this.#shown) write("\r\x1b[K");
  }

  #draw(): void {
    const part = this.total === 0 ? 1 : this.#done / this.total;
    const filled = Math.round(part * WIDTH);
    const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
    // What is not foreseen may follow: nothing is called done before it is.
    const percent = `${Math.min(99, Math.floor(part * 100))} %`.padStart(5);
    write(
      `\r\x1b[K${this.label}  ${bar} ${percent}  ${this.show(this.#done)} of ${
        this.show(this.total)
      }`,
    );
  }
}

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
