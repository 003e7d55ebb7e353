import { resolve } from "node:path";
import versions from "../../import_map.json" with { type: "json" };
import type { TierTrust } from "../config/security.ts";
import { sslmodeOf } from "../../supabase/functions/_strata/protocol/postgres_tls.ts";
import { migrations } from "../tiers/releases.ts";
import { connect } from "./session.ts";

const PROJECT = resolve(import.meta.dirname ?? ".", "../../supabase");

/** The Supabase CLI ended with an error. */
export class SupabaseFailed extends Error {
  /** Keeps everything that the CLI printed. */
  constructor(readonly command: string, readonly output: string) {
    super(`supabase ${command} failed:\n${output}`);
    this.name = "SupabaseFailed";
  }
}

/**
 * Runs the Supabase CLI on a copy of the project and returns what it printed. The copy, because
 * the CLI leaves notes of its own beside what it reads.
 */
export function supabase(command: string, ...args: string[]): Promise<string> {
  return onCopy(async (copy) => {
    await copyProject(PROJECT, copy, false);
    return await runCli(copy, command, args, { SUPABASE_HOME: `${copy}/home` });
  });
}

/** The same for a hosted project, as whoever is logged in there; the functions are part of the copy. */
export function supabaseHosted(
  command: string,
  args: string[],
  env: Record<string, string> = {},
  schemas?: readonly string[],
): Promise<string> {
  return onCopy(async (copy) => {
    await copyProject(PROJECT, copy, true);
    if (schemas !== undefined) await exposing(`${copy}/supabase/config.toml`, schemas);
    return await runCli(copy, command, args, env);
  });
}

/** Has a copy of config.toml name other schemas than ours: pushing it replaces the project's list. */
async function exposing(path: string, schemas: readonly string[]): Promise<void> {
  const text = await Deno.readTextFile(path);
  const changed = text.replace(/^schemas = .*$/m, () => `schemas = ${JSON.stringify(schemas)}`);
  await Deno.writeTextFile(path, changed);
}

async function onCopy(work: (copy: string) => Promise<string>): Promise<string> {
  const copy = await Deno.makeTempDir({ prefix: "strata-supabase-" });
  try {
    return await work(copy);
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

const CLI = ["--yes", versions.imports.supabase.replace(/^npm:/, "")];
let fetched: Promise<unknown> | undefined;

/** npx unpacks a package that it has not yet; three at once do it into each other's way. */
function fetchCli(env: Record<string, string>): Promise<unknown> {
  return fetched ??= new Deno.Command("npx", {
    args: [...CLI, "--version"],
    env: { SUPABASE_NO_UPDATE_NOTIFIER: "1", SUPABASE_TELEMETRY_DISABLED: "1", ...env },
    stdin: "null",
  }).output(); // what went wrong is said by the command proper
}

async function runCli(
  directory: string,
  command: string,
  args: string[],
  env: Record<string, string>,
): Promise<string> {
  const { visible, password } = hidePassword(args);
  await fetchCli(env);
  const process = new Deno.Command("npx", {
    args: [...CLI, ...command.split(" "), ...visible, "--workdir", directory],
    cwd: directory,
    env: {
      SUPABASE_NO_UPDATE_NOTIFIER: "1",
      SUPABASE_TELEMETRY_DISABLED: "1",
      ...(password === undefined ? {} : { PGPASSWORD: password }),
      ...env,
    },
    stdin: "null",
  });
  const { success, stdout, stderr } = await process.output();
  const output = readable(stderr) + readable(stdout);
  if (!success) throw new SupabaseFailed(command, output);
  return output;
}

/** How a push is called; `--include-all`, because some of Strata's may be older than others there. */
export const PUSH = ["--include-all", "--yes"];

/** A file for the Supabase CLI to push: <version>_<name>.sql. */
export interface MigrationFile {
  name: string;
  text: string;
}

/**
 * Pushes files to a database: `supabase db push`. The CLI refuses a database whose history names a version that is not
 * among its files, so for each of those it finds an empty one; as it was applied already, nothing happens to it.
 */
export async function pushFiles(
  url: string,
  files: readonly MigrationFile[],
  trust: TierTrust = {},
): Promise<string> {
  const ours = files.map(({ name }) => name.split("_")[0]);
  const others = (await versionsAt(url, trust)).filter((one) =>
    /^\d+$/.test(one) && !ours.includes(one)
  );
  return await onCopy(async (copy) => {
    await Deno.mkdir(`${copy}/supabase/migrations`, { recursive: true });
    await Deno.copyFile(`${PROJECT}/config.toml`, `${copy}/supabase/config.toml`);
    const all = [
      ...files,
      ...others.map((one) => ({ name: `${one}_not_of_strata.sql`, text: "" })),
    ];
    for (const { name, text } of all) {
      await Deno.writeTextFile(`${copy}/supabase/migrations/${name}`, text);
    }
    const args = [`--remote=${cliAddress(url, trust)}`, ...PUSH];
    return await runCli(copy, "db push", args, { SUPABASE_HOME: `${copy}/home` });
  });
}

/**
 * The address as the CLI is given it: left to itself it goes on in clear text where the other side offers no
 * encryption, and believes any certificate.
 */
export function cliAddress(address: string, trust: TierTrust): string {
  const mode = sslmodeOf(address, trust);
  if (mode === "prefer" || mode === "disable") return address; // this machine, or decided
  const url = new URL(address);
  url.searchParams.set("sslmode", mode);
  url.searchParams.delete("sslrootcert");
  if (mode === "verify-full" && trust.caFile !== undefined) {
    url.searchParams.set("sslrootcert", trust.caFile);
  }
  return url.href;
}

async function versionsAt(url: string, trust: TierTrust): Promise<string[]> {
  const sql = connect(url, trust);
  try {
    return await migrations(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Everybody on this machine can read a process's arguments, so a password goes another way. */
function hidePassword(args: string[]): { visible: string[]; password: string | undefined } {
  let password: string | undefined;
  const visible = args.map((arg) => {
    if (!arg.startsWith("--remote=postgres")) return arg;
    const url = new URL(arg.slice("--remote=".length));
    password = decodeURIComponent(url.password);
    url.password = "";
    return `--remote=${url.href}`;
  });
  return { visible, password };
}

async function copyProject(project: string, copy: string, functions: boolean): Promise<void> {
  await Deno.mkdir(`${copy}/supabase`, { recursive: true });
  await Deno.copyFile(`${project}/config.toml`, `${copy}/supabase/config.toml`);
  await copySources(`${project}/migrations`, `${copy}/supabase/migrations`, ".sql");
  if (!functions) return;
  await copySources(`${project}/functions`, `${copy}/supabase/functions`, ".ts");
  await Deno.copyFile(`${project}/../import_map.json`, `${copy}/import_map.json`);
}

/** Copies a directory's sources and nothing else that may lie there, such as an .env. */
export async function copySources(from: string, to: string, ending: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copySources(`${from}/${name}`, `${to}/${name}`, ending);
    else if (name.endsWith(ending)) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

/** What npx says about itself is nobody's concern. */
function readable(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replaceAll(/^npm (warn|notice).*\n/gm, "");
}
