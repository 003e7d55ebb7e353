import assert from "node:assert/strict";
import type { Driver } from "../support/chain.ts";
import { fire } from "./life/fire.ts";

const LIVES: [Driver, number][] = [["push", 20], ["pull", 21], ["relay", 22]];

for (const [driver, seed] of LIVES) {
  Deno.test(`a life under fire loses nothing, doubles nothing, brings nothing back (${driver})`, async () => {
    const lines: string[] = [];
    const result = await fire({
      rounds: 3,
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
    assert.deepEqual({ rounds: result.rounds, faults: result.faults }, { rounds: 3, faults: 9 });
  });
}
