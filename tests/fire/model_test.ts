import assert from "node:assert/strict";
import { check } from "./model/checker.ts";
import { protocol } from "./model/protocol.ts";
import { type Guard, GUARDS, type World } from "./model/world.ts";

/** Small worlds, each with something the others lack. All of their states are visited. */
const WORLDS: Record<string, World> = {
  "one driver, one row": { tiers: 2, keys: 1, drivers: [0], lanes: 1, writes: 2, crashes: 2 },
  "two drivers at one row": { tiers: 2, keys: 1, drivers: [0, 0], lanes: 1, writes: 1, crashes: 1 },
  "two batches under way": { tiers: 2, keys: 2, drivers: [0], lanes: 2, writes: 1, crashes: 1 },
  "three tiers": { tiers: 3, keys: 1, drivers: [0, 1], lanes: 1, writes: 2, crashes: 1 },
  "three tiers, two batches under way": {
    tiers: 3,
    keys: 2,
    drivers: [0, 1],
    lanes: 2,
    writes: 1,
    crashes: 0,
  },
};

/** Where the lack of each guard shows. */
const SHOWS_IN: Record<Guard, keyof typeof WORLDS> = {
  version: "one driver, one row",
  proof: "one driver, one row",
  committed: "one driver, one row",
  retract: "one driver, one row",
  takeUp: "one driver, one row",
  tombstone: "one driver, one row",
  blocked: "three tiers",
  besides: "two batches under way",
};

for (const [name, world] of Object.entries(WORLDS)) {
  Deno.test(`model: with ${name}, nothing is lost, doubled, brought back or stuck`, () => {
    const { states, complete, violation } = check(protocol(world));
    assert.deepEqual(violation, undefined);
    assert.ok(complete && states > 1000, `${states} states`);
  });
}

Deno.test("model: two drivers, each with two batches under way, as far as 60,000 states reach", () => {
  const world = { tiers: 2, keys: 2, drivers: [0, 0], lanes: 2, writes: 1, crashes: 1 };
  const { states, violation } = check(protocol(world), 60_000);
  assert.deepEqual(violation, undefined);
  assert.ok(states > 10_000, `${states} states`);
});

for (const [guard, world] of Object.entries(SHOWS_IN)) {
  const [name] = Object.entries(GUARDS).filter(([one]) => one === guard).map(([, says]) => says);
  Deno.test(`model: a guard that is needed: ${name}`, () => {
    const found = Object.keys(GUARDS).find((one): one is Guard => one === guard);
    const { violation } = check(protocol({ ...worldOf(world), without: found }));
    assert.notEqual(violation, undefined, "without it nothing goes wrong");
    console.log([`Without it ${violation?.says}:`, ...violation?.trace ?? []].join("\n    "));
  });
}

function worldOf(name: string): World {
  const world = WORLDS[name];
  if (world === undefined) throw new Error(`there is no world "${name}"`);
  return world;
}
