/** Asking before something that cannot be undone. */
import { Failure } from "./errors.ts";

/** Where the question is put, and what answers it; a test passes its own. */
export interface Terminal {
  isTerminal(): boolean;
  ask(question: string): string | null;
}

const TERMINAL: Terminal = {
  isTerminal: () => Deno.stdin.isTerminal() && Deno.stderr.isTerminal(),
  ask(question) {
    Deno.stderr.writeSync(new TextEncoder().encode(question));
    const typed = new Uint8Array(256);
    const length = Deno.stdin.readSync(typed);
    return length === null ? null : new TextDecoder().decode(typed.subarray(0, length)).trim();
  },
};

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
