/** An application's own project: the folder with supabase/config.toml, beside which Strata is a guest. */
import { join, resolve } from "@std/path";
import { Failure } from "../lib/errors.ts";

/** What of a project concerns Strata. */
export interface Project {
  /** The folder that has config.toml in it: …/supabase. */
  path: string;
  /** config.toml, as it is. */
  config: string;
  /** Names of the files in migrations, oldest first. */
  migrations: string[];
  /** Names of the folders in functions. */
  functions: string[];
}

/** One thing that adding or removing does to a project. */
export interface Change {
  says: string;
  /** Within the project's supabase folder. */
  path: string;
  /** What is to stand there; undefined: it goes, folder or file. */
  text: string | undefined;
}

/** Reads a project, given as its folder or as the supabase folder in it. */
export async function readProject(folder: string): Promise<Project> {
  const given = resolve(Deno.env.get("INIT_CWD") ?? ".", folder);
  for (const path of [join(given, "supabase"), given]) {
    const config = await Deno.readTextFile(join(path, "config.toml")).catch(() => undefined);
    if (config === undefined) continue;
    await refuseStrataItself(path);
    return {
      path,
      config,
      migrations: await namesIn(
        join(path, "migrations"),
        ({ isDirectory, name }) => !isDirectory && name.endsWith(".sql"),
      ),
      functions: await namesIn(join(path, "functions"), ({ isFile }) => !isFile),
    };
  }
  throw new Failure(
    `There is no Supabase project in ${given}: it has no supabase/config.toml`,
    "Name the folder of your application, in which `supabase init` was run.",
    2,
  );
}

/** A copy of Strata is where it comes from, and not where it is a guest. */
async function refuseStrataItself(path: string): Promise<void> {
  const text = await Deno.readTextFile(join(path, "schemas", "release.json")).catch(() => "");
  if (!text.includes("_strata.sql")) return;
  throw new Failure(
    `${path} is a copy of Strata itself`,
    "Name the folder of your application; from here, `deno task strata setup --init` pushes Strata.",
    2,
  );
}

/**
 * A number for one more migration: now, or after the newest that there is. The Supabase CLI takes any digits for a
 * number, and orders files by name.
 */
export function nextVersion(migrations: readonly string[]): string {
  const numbers = migrations.flatMap((name) => /^(\d+)_.*\.sql$/.exec(name)?.[1] ?? []);
  const now = new Date().toISOString().replaceAll(/\D/g, "").slice(0, 14);
  const newest = numbers.sort().at(-1) ?? "";
  if (newest < now) return now;
  const next = newest.length < 14 ? nextOf(newest).padEnd(14, "0") : nextOf(newest.slice(0, 14));
  return next > newest ? next : newest.slice(0, 14).padEnd(14, "9");
}

/** The next second, where it is a time; else the next number. */
function nextOf(version: string): string {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(version) ?? [];
  const [year = 0, month = 0, day, hour, minute, second = 0] = parts.map(Number);
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  const text = (time: number) => new Date(time).toISOString().replaceAll(/\D/g, "").slice(0, 14);
  if (parts.length > 0 && text(at) === version) return text(at + 1000);
  return String(BigInt(version) + 1n).padStart(version.length, "0");
}

async function namesIn(
  path: string,
  isWanted: (entry: Deno.DirEntry) => boolean,
): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) if (isWanted(entry)) found.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort();
}

/** Carries changes out, one after the other; done again, they change nothing more. */
export async function carryOut(project: Project, changes: readonly Change[]): Promise<void> {
  for (const { path, text } of changes) {
    const target = join(project.path, path);
    if (text === undefined) {
      await Deno.remove(target, { recursive: true }).catch(ifThere);
      continue;
    }
    await Deno.mkdir(join(target, ".."), { recursive: true });
    const file = await Deno.realPath(target).catch(() => target); // where a link leads; the link stays
    const beside = `${file}.strata-new`; // a file is whole, or as it was
    await Deno.writeTextFile(beside, text);
    await Deno.rename(beside, file);
  }
}

function ifThere(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
