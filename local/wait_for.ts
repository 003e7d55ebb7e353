/** How long to wait, and how often to look. */
export interface WaitOptions {
  timeoutMs?: number;
  everyMs?: number;
}

/**
 * Waits until `look` returns something other than `false`, `null` or `undefined`, and returns it.
 * `what` completes the sentence "gave up waiting for …".
 */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T> | T,
  { timeoutMs = 60_000, everyMs = 50 }: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + timeoutMs;
  while (true) {
    const seen = await look();
    if (isSomething(seen)) return seen;
    if (performance.now() > deadline) {
      throw new Error(`gave up waiting for ${what} after ${timeoutMs / 1000} s`);
    }
    await new Promise((wake) => setTimeout(wake, everyMs));
  }
}

function isSomething<T>(seen: T): seen is Exclude<T, false | null | undefined> {
  return seen !== false && seen !== null && seen !== undefined;
}
