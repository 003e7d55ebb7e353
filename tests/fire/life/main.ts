/** `deno task fire`: a life on three tiers, under fire, for as long as one likes. */
import { Command, Option } from "commander";
import { cleanUpOnSignal } from "../../../local/ending.ts";
import { down } from "../../../local/stack.ts";
import type { Driver } from "../../support/chain.ts";
import { TEST_STACK } from "../../support/stack.ts";
import { fire } from "./fire.ts";

const DRIVERS: readonly Driver[] = ["push", "pull", "relay"];

const program = new Command("fire")
  .description("Writers, jobs, and a saboteur; then: is every row where it belongs, once?")
  .option("--rounds <n>", "how many rounds of faults", Number, 500)
  .option("--minutes <n>", "end after so many minutes, whatever the rounds", Number)
  .option("--seed <n>", "which faults, when, and to whom", Number, 1)
  .option("--faults <n>", "faults in a round", Number, 3)
  .addOption(
    new Option("--driver <name>", "only this driver; else they take turns").choices([
      ...DRIVERS,
    ]),
  )
  .option("--json", "end with one JSON object")
  .addHelpText(
    "after",
    "\nThe servers are its own, in .strata/fire. Exit code 1 when a row was lost, doubled or\n" +
      "brought back, or something never ended; the round's seed is printed then.",
  );

interface Options {
  rounds: number;
  minutes?: number;
  seed: number;
  faults: number;
  driver?: Driver;
  json?: boolean;
}

program.action(async ({ rounds, minutes, seed, faults, driver, json }: Options) => {
  const drivers = driver === undefined ? DRIVERS : [driver];
  const say = (line: string) => console.error(line);
  const result = await fire({ rounds, minutes, seed, drivers, faultsPerRound: faults, say });
  console.log(json ? JSON.stringify(result) : summary(result));
  const { lost, duplicated, resurrected, stuck } = result;
  if (lost + duplicated + resurrected + stuck > 0) Deno.exitCode = 1;
});

cleanUpOnSignal(async () => {
  await down(TEST_STACK);
  await down(TEST_STACK); // a round goes on meanwhile, and may have started a server that it had killed
});
try {
  await program.parseAsync(Deno.args, { from: "user" });
} finally {
  await down(TEST_STACK);
}

function summary(result: Awaited<ReturnType<typeof fire>>): string {
  const { rounds, faults, lost, duplicated, resurrected, stuck, recovery_max_seconds } = result;
  return `${rounds} rounds, ${faults} faults: ${lost} rows lost, ${duplicated} doubled, ` +
    `${resurrected} brought back; ${stuck} rounds stuck; quiet after ` +
    `${recovery_max_seconds.toFixed(1)} s at most.`;
}
