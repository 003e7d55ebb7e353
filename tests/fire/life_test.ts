import assert from "node:assert/strict";
import type { Driver } from "../support/chain.ts";
import { fire } from "./life/fire.ts";

for (const [driver, seed] of [["push", 20], ["pull", 21]] satisfies [Driver, number][]) {
  Deno.test(`a life under fire loses nothing, doubles nothing, brings nothing back (${driver})`, async () => {
    const lines: string[] = [];
    const result = await fire({
      rounds: 5,
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
    assert.deepEqual({ rounds: result.rounds, faults: result.faults }, { rounds: 5, faults: 15 });
  });
}
