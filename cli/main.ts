/** `deno task strata …`: a thin client of the SQL in the tiers. */
import { Command, CommanderError } from "commander";
import type { Io } from "./lib/command.ts";
import { asFailure } from "./lib/errors.ts";
import { inTodaysWords } from "./lib/older_words.ts";
import { json, withRemedy } from "./lib/output.ts";
import { visible } from "../supabase/functions/_shared/document.ts";
import { alerts } from "./commands/alerts.ts";
import { audit } from "./commands/audit.ts";
import { certificates } from "./commands/certificates.ts";
import { doctor } from "./commands/doctor.ts";
import { drain } from "./commands/drain.ts";
import { explain } from "./commands/explain.ts";
import { forecast } from "./commands/forecast.ts";
import { load } from "./commands/load.ts";
import { manage } from "./commands/manage.ts";
import { monitor } from "./commands/monitor.ts";
import { plan } from "./commands/plan.ts";
import { process } from "./commands/process.ts";
import { quota } from "./commands/quota.ts";
import { report } from "./commands/report.ts";
import { reclaim } from "./commands/reclaim.ts";
import { setup } from "./commands/setup.ts";
import { status } from "./commands/status.ts";
import { sync } from "./commands/sync.ts";
import { testLinks } from "./commands/test_links.ts";
import { voice } from "./commands/voice.ts";

const COMMANDS = [
  setup,
  certificates,
  testLinks,
  doctor,
  status,
  plan,
  explain,
  sync,
  process,
  monitor,
  forecast,
  quota,
  drain,
  reclaim,
  alerts,
  report,
  audit,
  manage,
  load,
  voice,
];

/** Runs one command line; returns its exit code: 0 done, 1 something is wrong, 2 wrongly called. */
export async function run(args: string[], io: Partial<Omit<Io, "exit">> = {}): Promise<number> {
  let exitCode = 0;
  const asJson = args.includes("--json");
  const full: Io = {
    out: seen(io.out ?? console.log, asJson),
    err: seen(io.err ?? console.error, false),
    exit: (code) => exitCode = Math.max(exitCode, code),
    ...(io.environment === undefined ? {} : { environment: io.environment }),
  };
  try {
    await program(full, asJson).parseAsync(inTodaysWords(args), { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return usage(error, full, asJson);
    const failure = asFailure(error);
    if (Deno.env.get("STRATA_DEBUG") === "1") {
      full.err(failure === error ? "" : Deno.inspect(error));
    }
    const { message, remedy, code } = failure;
    if (asJson) full.out(json({ error: { says: message, remedy, code } }));
    else full.err(withRemedy(message, remedy));
    return failure.exitCode;
  }
}

/** Nothing that a database says moves the cursor of who reads it. */
function seen(write: (text: string) => void, asJson: boolean): (text: string) => void {
  const escape = (character: string) =>
    `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  return (text) => write(asJson ? visible(text, escape) : visible(text));
}

function program(io: Io, quiet: boolean): Command {
  const program = new Command("strata")
    .description("Rows settle from core to main to archive, proved, then deleted.")
    .usage("<command> [options]")
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => quiet || io.err(text.trimEnd()),
    })
    .exitOverride()
    .addHelpText(
      "after",
      "\nThe configuration is strata.yaml, with strata.local.yaml over it; addresses and passwords" +
        "\nare in the environment, .env, or what the local stack wrote for itself." +
        "\n\nExit codes: 0 done, 1 something is wrong, 2 wrongly called or configured.",
    );
  for (const make of COMMANDS) {
    const command = make(io).copyInheritedSettings(program);
    program.addCommand(command);
  }
  return program;
}

function usage(error: CommanderError, io: Io, asJson: boolean): number {
  if (error.exitCode === 0) return 0; // --help was asked for
  if (asJson) io.out(json({ error: { says: error.message, remedy: "", code: error.code } }));
  return 2;
}

if (import.meta.main) {
  Deno.exit(await run(Deno.args));
}
