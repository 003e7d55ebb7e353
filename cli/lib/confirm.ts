/** Asking before something that cannot be undone. */
import { Failure } from "./errors.ts";

/** Where the question is put, and what answers it; a test passes its own. */
export interface Terminal {
  isTerminal(): boolean;
  ask(question: string): string | null;
  /** The same, but nothing of what is typed is shown. */
  askSecret?(question: string): string | null;
}

/** The terminal of this process. */
export const TERMINAL: Terminal = {
  isTerminal: () => Deno.stdin.isTerminal() && Deno.stderr.isTerminal(),
  ask(question) {
    write(question);
    const typed = new Uint8Array(256);
    const length = Deno.stdin.readSync(typed);
    return length === null ? null : new TextDecoder().decode(typed.subarray(0, length)).trim();
  },
  askSecret(question) {
    write(question);
    Deno.stdin.setRaw(true);
    try {
      return typedUnseen();
    } finally {
      Deno.stdin.setRaw(false);
      write("\n");
    }
  },
};

const write = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text));

/** What is typed up to Enter; Ctrl+C ends the program, as it does everywhere. */
function typedUnseen(): string | null {
  const bytes: number[] = [];
  const read = new Uint8Array(1024);
  for (;;) {
    const length = Deno.stdin.readSync(read);
    if (length === null) return bytes.length === 0 ? null : text(bytes);
    for (const byte of read.subarray(0, length)) {
      if (byte === 3) {
        Deno.stdin.setRaw(false);
        write("\n");
        Deno.exit(130);
      }
      if (byte === 13 || byte === 10) return text(bytes);
      if (byte === 4 && bytes.length === 0) return null;
      if (byte === 127 || byte === 8) bytes.pop();
      else bytes.push(byte);
    }
  }
}

/** Without what a terminal wraps around what is pasted. */
function text(bytes: number[]): string {
  // deno-lint-ignore no-control-regex
  return new TextDecoder().decode(Uint8Array.from(bytes)).replaceAll(/\x1b\[20[01]~/g, "").trim();
}

/**
 * Whether somebody wants it done: said with `--yes`, or asked on the terminal. Where there is neither
 * it is refused.
 */
export function confirmed(
  what: string,
  yes: boolean,
  terminal: Terminal = TERMINAL,
): boolean {
  if (yes) return true;
  if (!terminal.isTerminal()) {
    throw new Failure(
      `${what} There is no terminal to ask on`,
      "Say --yes if that is what you want.",
      2,
    );
  }
  return /^y(es)?$/i.test(terminal.ask(`${what} Go on? [y/N] `) ?? "");
}
