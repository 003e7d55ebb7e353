/** Asking before something is done that cannot be undone. */
import { Failure } from "./errors.ts";

/** Goes on if somebody says yes, here or with --yes; where nobody can be asked, it is not done. */
export function confirm(question: string, yes: boolean | undefined): void {
  if (yes) return;
  if (!Deno.stdin.isTerminal()) {
    throw new Failure(question, "Nothing was done: say --yes where nobody can be asked.", 2);
  }
  if (/^y(es)?$/i.test(prompt(`${question} [y/N]`) ?? "")) return;
  throw new Failure("Nothing was done", "", 1);
}
