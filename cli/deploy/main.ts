/**
 * `deno task deploy`: what a person would do by hand, in that order. Checks first; then the migrations
 * to every tier, and on hosted projects the exposed schemas, the functions' secrets and the functions.
 */
import { Command } from "commander";
import { dim, green, yellow } from "@std/fmt/colors";
import { join, resolve } from "@std/path";
import { loadConfig, readEnvironment } from "../config/load.ts";
import { DEFAULT_CONFIG, fileNamed, ROOT, warnOfOpenFiles } from "../lib/command.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { withRemedy } from "../lib/output.ts";
import { copyFunctions } from "./copy.ts";
import { letPast } from "./router.ts";
import { carryOut, deploySteps } from "./steps.ts";

interface Flags {
  dryRun?: true;
  copyTo?: string;
  config?: string;
}

/** Deploys as the flags say. */
async function deploy({ dryRun, copyTo, config: file }: Flags): Promise<void> {
  await warnOfOpenFiles({ err: console.error });
  if (copyTo !== undefined) return await copy(copyTo);
  const path = file === undefined ? DEFAULT_CONFIG : await fileNamed(file);
  const environment = await readEnvironment(ROOT);
  const steps = deploySteps(await loadConfig(path, environment), {
    secretsFile: await secretsFile(),
  });
  if (dryRun) {
    for (const command of ["deno task ok", ...steps.map((step) => step.command)]) {
      console.log(command);
    }
    return;
  }
  await check();
  for (const step of steps) {
    console.log(`${step.says} …\n${dim(step.command)}`);
    console.log(dim((await carryOut(step)).trim()));
  }
  console.log(
    green("Deployed.") +
      " `deno task strata setup --init` links the tiers, once and after changes.",
  );
}

async function copy(volume: string): Promise<void> {
  const target = resolve(Deno.env.get("INIT_CWD") ?? ".", volume);
  const names = await copyFunctions(target);
  console.log(`Copied ${names.join(", ")} to ${target}.`);
  for (const says of await letPast(target, names)) console.log(yellow(says));
  console.log("Restart them there: docker compose restart functions --no-deps");
}

/** What is deployed must type-check, here and with the edge runtime's Deno. */
async function check(): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), { args: ["task", "ok"], cwd: ROOT })
    .spawn().status;
  if (!success) {
    throw new Failure("The checks failed", "Mend what they name; nothing was deployed.");
  }
}

async function secretsFile(): Promise<string | undefined> {
  const path = join(ROOT, "supabase", "functions", ".env");
  return await Deno.stat(path).then(() => path, () => undefined);
}

const program = new Command("deploy")
  .description("Deploys migrations, settings and functions to the tiers of strata.yaml.")
  .option("--dry-run", "print the commands and do nothing")
  .option(
    "--copy-to <volumes/functions>",
    "copy the functions into that folder of a self-hosted Supabase, and nothing else",
  )
  .option("--config <file>", "the configuration (default: strata.yaml)")
  .action(deploy);

try {
  await program.parseAsync(Deno.args, { from: "user" });
} catch (error) {
  const { message, remedy, exitCode } = asFailure(error);
  console.error(withRemedy(message, remedy));
  Deno.exit(exitCode);
}
