/** What every command has in common: its options, its configuration, how its result is shown. */
import { Command } from "commander";
import { join, resolve } from "@std/path";
import { type Config, type Environment, loadConfig, readEnvironment } from "../config/load.ts";
import type { Terminal } from "./confirm.ts";
import { openStrata, type Session, type SkippedTier } from "./session.ts";
import { json, withRemedy } from "./output.ts";
import { openFiles } from "./secret_files.ts";

/** The repository: migrations and the shipped configuration are found from here. */
export const ROOT = join(import.meta.dirname ?? ".", "..", "..");

/** The configuration a command works with unless it is told another. */
export const DEFAULT_CONFIG = join(ROOT, "strata.yaml");

/** What a command has found or done. */
export interface Report {
  /** What `--json` prints. */
  document: Record<string, unknown>;
  /** What people read. */
  text: string;
  /** False: something is wrong, exit code 1. */
  ok?: boolean;
}

/** What a command works with. */
export interface Context {
  config: Config;
  session: Session;
  /** Tells people how far the work is; says nothing under `--json`. */
  say(line: string): void;
}

/** Where a run writes and what it returns; a test passes its own. */
export interface Io {
  environment?: Environment;
  /** Who can be asked; the process's own terminal unless a test passes its own. */
  terminal?: Terminal;
  out(text: string): void;
  err(text: string): void;
  /** Remembers the exit code of the run. */
  exit(code: number): void;
}

/** A command, with the options that all of them have and examples at the end of its help. */
export function command(name: string, description: string, examples: string[]): Command {
  return new Command(name)
    .description(description)
    .option("--json", "print one JSON document instead of text")
    .option("--quiet", "print nothing unless something is wrong")
    .option("--config <file>", "the configuration (default: strata.yaml)")
    .addHelpText(
      "after",
      ["", "Examples:", ...examples.map((line) => `  $ deno task strata ${line}`)].join("\n"),
    );
}

/** The options of {@link command}. */
export interface CommonOptions {
  json?: true;
  quiet?: true;
  config?: string;
}

/** Runs a command's work over the tiers that answer, and shows what came of it. */
export async function perform(
  io: Io,
  options: CommonOptions,
  work: (context: Context) => Promise<Report>,
  open: (config: Config) => Promise<Session> = openStrata,
): Promise<void> {
  const path = options.config === undefined ? DEFAULT_CONFIG : await fileNamed(options.config);
  if (io.environment === undefined) await warnOfOpenFiles(io);
  const config = await loadConfig(path, io.environment ?? await readEnvironment(ROOT));
  await using session = await open(config);
  const say = options.json || options.quiet ? () => {} : io.out;
  const told = new Set<SkippedTier>();
  const tellSkipped = () => {
    for (const skipped of session.skipped) {
      if (told.has(skipped)) continue;
      told.add(skipped);
      if (!options.json) {
        io.err(skippedText(skipped));
      }
    }
  };
  tellSkipped();
  const report = await work({ config, session, say });
  tellSkipped();
  show(io, options, {
    ...report,
    document: { ...report.document, skipped: session.skipped },
  });
}

/** Shows what came of a command, and remembers its exit code. */
export function show(io: Io, { json: asJson, quiet }: CommonOptions, report: Report): void {
  if (asJson) io.out(json(report.document));
  else if (!quiet || report.ok === false) io.out(report.text);
  if (report.ok === false) io.exit(1);
}

/** Says of each file of secrets that it is open to others, and what to do. */
export async function warnOfOpenFiles(io: Pick<Io, "err">, root = ROOT): Promise<void> {
  for (const { says, remedy } of await openFiles(root)) io.err(withRemedy(says, `${remedy}.`));
}

/** Why a tier is left out, in a sentence and what to do about it. */
export function skippedText({ tier, says, remedy }: SkippedTier): string {
  return withRemedy(`${tier} is skipped: ${says}`, remedy);
}

/** A file as the user named it: `deno task` changes directory, but says where it was called. */
export async function fileNamed(name: string): Promise<string> {
  const calledFrom = Deno.env.get("INIT_CWD");
  if (calledFrom === undefined || await exists(name)) return name;
  return resolve(calledFrom, name);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
