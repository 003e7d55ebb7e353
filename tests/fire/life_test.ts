import assert from "node:assert/strict";
import type { Driver } from "../support/chain.ts";
import { fire } from "./life/fire.ts";

const LIVES: [driver: Driver, rounds: number, seed: number][] = [
  ["push", 4, 20],
  ["pull", 3, 21],
  ["relay", 3, 22],
];

for (const [driver, rounds, seed] of LIVES) {
  Deno.test(`a life under fire loses nothing, doubles nothing, brings nothing back (${driver})`, async () => {
    const lines: string[] = [];
    const result = await fire({
      rounds,
      seed,
      drivers: [driver],
      say: (line) => lines.push(line),
    });

    const { lost, duplicated, resurrected, stuck } = result;
    assert.deepEqual(
      { lost, duplicated, resurrected, stuck },
      { lost: 0, duplicated: 0, resurrected: 0, stuck: 0 },
      lines.join("\n"),
    );
    assert.deepEqual({ rounds: result.rounds, faults: result.faults }, {
      rounds,
      faults: 3 * rounds,
    });
  });
}
