/** How a program that has started servers ends when it is told to, by Ctrl-C or by SIGTERM. */

const controller = new AbortController();

/** Aborted when this program is told to end. Handed to `Deno.Command`, it takes the child along. */
export const ending: AbortSignal = controller.signal;

/** From now on the program ends with a clean-up. Whatever else it is doing goes on until that is done. */
export function cleanUpOnSignal(cleanUp: () => Promise<unknown>): void {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    Deno.addSignalListener(signal, async () => {
      if (ending.aborted) return; // asked twice: it is at it
      controller.abort();
      try {
        await cleanUp();
      } finally {
        Deno.exit(code);
      }
    });
  }
}
