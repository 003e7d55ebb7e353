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
    return {
      path,
      config,
      migrations: await namesIn(
        join(path, "migrations"),
        ({ isFile, name }) => isFile && name.endsWith(".sql"),
      ),
      functions: await namesIn(join(path, "functions"), ({ isDirectory }) => isDirectory),
    };
  }
  throw new Failure(
    `There is no Supabase project in ${given}: it has no supabase/config.toml`,
    "Name the folder of your application, in which `supabase init` was run.",
    2,
  );
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
    const beside = `${target}.strata-new`; // a file is whole, or as it was
    await Deno.writeTextFile(beside, text);
    await Deno.rename(beside, target);
  }
}

function ifThere(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
