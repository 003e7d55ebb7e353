/** `deno task strata …`: a thin client of the SQL in the tiers. */
import { Command, CommanderError } from "commander";
import type { Io } from "./lib/command.ts";
import { asFailure } from "./lib/errors.ts";
import { inTodaysWords } from "./lib/older_words.ts";
import { json, withRemedy } from "./lib/output.ts";
import { painted } from "./lib/paint.ts";
import { completions } from "./commands/completions.ts";
import { visible } from "../supabase/functions/_strata/render/document.ts";
import { VERSION } from "../supabase/functions/_strata/http/version.ts";

/** Each command by its name, in the order of the help; only the one that is called is loaded. */
const COMMANDS: Record<string, () => Promise<(io: Io) => Command>> = {
  advise: async () => (await import("./commands/advise.ts")).advise,
  init: async () => (await import("./commands/init.ts")).init,
  setup: async () => (await import("./commands/setup.ts")).setup,
  certificates: async () => (await import("./commands/certificates.ts")).certificates,
  "test-links": async () => (await import("./commands/test_links.ts")).testLinks,
  doctor: async () => (await import("./commands/doctor.ts")).doctor,
  status: async () => (await import("./commands/status.ts")).status,
  plan: async () => (await import("./commands/plan.ts")).plan,
  explain: async () => (await import("./commands/explain.ts")).explain,
  sync: async () => (await import("./commands/sync.ts")).sync,
  process: async () => (await import("./commands/process.ts")).process,
  monitor: async () => (await import("./commands/monitor.ts")).monitor,
  forecast: async () => (await import("./commands/forecast.ts")).forecast,
  quota: async () => (await import("./commands/quota.ts")).quota,
  drain: async () => (await import("./commands/drain.ts")).drain,
  reclaim: async () => (await import("./commands/reclaim.ts")).reclaim,
  alerts: async () => (await import("./commands/alerts.ts")).alerts,
  report: async () => (await import("./commands/report.ts")).report,
  audit: async () => (await import("./commands/audit.ts")).audit,
  manage: async () => (await import("./commands/manage.ts")).manage,
  hold: async () => (await import("./commands/hold.ts")).hold,
  release: async () => (await import("./commands/hold.ts")).release,
  unmanage: async () => (await import("./commands/unmanage.ts")).unmanage,
  upgrade: async () => (await import("./commands/upgrade.ts")).upgrade,
  add: async () => (await import("./commands/guest.ts")).add,
  remove: async () => (await import("./commands/guest.ts")).remove,
  load: async () => (await import("./commands/load.ts")).load,
  voice: async () => (await import("./commands/voice.ts")).voice,
};

/** Runs one command line; returns its exit code: 0 done, 1 something is wrong, 2 wrongly called. */
export async function run(args: string[], io: Partial<Omit<Io, "exit">> = {}): Promise<number> {
  let exitCode = 0;
  const asJson = args.includes("--json");
  const full: Io = {
    out: seen(io.out ?? painted(console.log, Deno.stdout, asJson), asJson),
    err: seen(io.err ?? painted(console.error, Deno.stderr, false), false),
    exit: (code) => exitCode = Math.max(exitCode, code),
    ...(io.environment === undefined ? {} : { environment: io.environment }),
    ...(io.terminal === undefined ? {} : { terminal: io.terminal }),
  };
  try {
    const words = inTodaysWords(args);
    await (await program(full, asJson, words)).parseAsync(words, { from: "user" });
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

/** The command line; with the command that the arguments name alone, or with all of them. */
export async function program(
  io: Io,
  quiet: boolean,
  args: readonly string[],
): Promise<Command> {
  const program = new Command("strata")
    .description("Rows settle from core to main to archive, proved, then deleted.")
    .usage("<command> [options]")
    .version(VERSION, "-V, --version", "print the version")
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
  const called = COMMANDS[args[0] ?? ""];
  const needed = called === undefined ? Object.values(COMMANDS) : [called];
  for (const make of await Promise.all(needed.map((load) => load()))) {
    program.addCommand(make(io).copyInheritedSettings(program));
  }
  if (called === undefined) {
    program.addCommand(completions(io, program).copyInheritedSettings(program));
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
