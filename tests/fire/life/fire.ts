import { type Driver } from "../../support/chain.ts";
import { Journal } from "./journal.ts";
import { runRound } from "./round.ts";
import { makeWorld } from "./world.ts";

/** What `deno task fire --json` prints. */
export interface FireResult {
  rounds: number;
  faults: number;
  /** Rows that are gone, or are not what was written last. */
  lost: number;
  duplicated: number;
  resurrected: number;
  /** Rounds that did not become quiet, left something behind, or put rows in the wrong tier. */
  stuck: number;
  recovery_max_seconds: number;
}

/** How a run under fire goes. */
export interface FireOptions {
  rounds: number;
  seed: number;
  drivers: readonly Driver[];
  /** Ends before the last round when so many minutes have passed. */
  minutes?: number;
  faultsPerRound?: number;
  say?: (line: string) => void;
}

/** So many rounds share a world; then a new one is made, with the next driver. */
const ROUNDS_OF_A_WORLD = 20;

/** Lives through rounds of faults; a round that fails says how to run it again. */
export async function fire(
  { rounds, seed, drivers, minutes = Infinity, faultsPerRound = 3, say = () => {} }: FireOptions,
): Promise<FireResult> {
  const end = performance.now() + minutes * 60_000;
  const total: FireResult = {
    rounds: 0,
    faults: 0,
    lost: 0,
    duplicated: 0,
    resurrected: 0,
    stuck: 0,
    recovery_max_seconds: 0,
  };
  const inAWorld = Math.min(ROUNDS_OF_A_WORLD, Math.ceil(rounds / drivers.length));
  for (let number = 0; total.rounds < rounds && performance.now() < end; number++) {
    const driver = drivers[number % drivers.length] ?? "push";
    await using world = await makeWorld(driver);
    const journal = new Journal();
    for (let at = 0; at < inAWorld && total.rounds < rounds && performance.now() < end; at++) {
      const roundSeed = seed + total.rounds * 7919;
      const result = await runRound(world, journal, { seed: roundSeed, faults: faultsPerRound })
        .catch((error) => { // said at once: what fails while a world ends would hide it
          say(`round ${total.rounds + 1} (${driver}, seed ${roundSeed}) broke off: ${error}`);
          throw error;
        });
      total.rounds++;
      total.faults += result.faults.length;
      total.lost += result.lost;
      total.duplicated += result.duplicated;
      total.resurrected += result.resurrected;
      total.stuck += result.stuck;
      total.recovery_max_seconds = Math.max(total.recovery_max_seconds, result.recoverySeconds);
      const failed = result.lost + result.duplicated + result.resurrected + result.stuck > 0;
      say(
        `round ${total.rounds} (${driver}, seed ${roundSeed}): ${result.faults.join(", ")}; ` +
          `${result.rows} rows, quiet after ${result.recoverySeconds.toFixed(1)} s` +
          (failed ? "; FAILED" : ""),
      );
      if (failed) {
        for (const line of result.says) say(`  ${line}`);
        say(`  again: deno task fire --rounds 1 --seed ${roundSeed} --driver ${driver}`);
        break; // what is wrong in this world would be found wrong in every round after
      }
    }
  }
  return total;
}
