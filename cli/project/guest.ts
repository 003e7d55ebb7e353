/** What adding Strata to an application's project changes there, and what taking it out does. */
import { join } from "@std/path";
import { ROOT } from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { type Product, type ReleaseFile, releasesHere } from "../lib/releases.ts";
import { functionsIn, withoutStrata, withStrata } from "./config_toml.ts";
import { type Change, nextVersion, type Project } from "./project.ts";

/** What of Strata somebody wants in his project. */
export interface Wanted {
  /** Names of edge functions. */
  functions: readonly string[];
  personal: boolean;
}

const SHARED = "_strata";
const REMOVED: Record<Product, string> = {
  strata: "_strata_removed.sql",
  companion: "_strata_companion_removed.sql",
};
/** The function that speaks the companion's briefing. */
const VOICE = "strata-voice";
const RELEASE = /^(\d{14})_strata(_companion)?\.sql$/;

/** The edge functions there are, by name. */
export async function functionsHere(): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, "supabase", "functions"))) {
    if (isDirectory && !name.startsWith("_")) found.push(name);
  }
  return found.sort();
}

/** Everything that is not yet as it should be; nothing when it is. */
export async function additions(project: Project, wanted: Wanted): Promise<Change[]> {
  const changes = await releaseChanges(project, wanted.personal);
  const text = withStrata(project.config, wanted.functions);
  if (text !== project.config) { // before the functions: it says which of them are not the owner's
    changes.push({
      says: `the functions, and schema strata for them, between two lines that say so`,
      path: "config.toml",
      text,
    });
  }
  const needed = wanted.functions.length === 0 ? [] : [SHARED, ...wanted.functions];
  for (const name of needed) changes.push(...await functionChanges(project, name));
  const gone = ofStrata(project).filter((name) => !needed.includes(name));
  return [...changes, ...gone.map(removedFunction)];
}

async function releaseChanges(project: Project, personal: boolean): Promise<Change[]> {
  const there = (await ownReleases(project)).filter(({ name, product }) =>
    name > newestOf(project, REMOVED.strata) && name > newestOf(project, REMOVED[product])
  );
  const wanted = (await releasesHere()).filter(({ product }) =>
    product === "strata" || personal || there.some((one) => one.product === product)
  );
  const missing = wanted.filter(({ digest }) => !there.some((one) => one.digest === digest));
  const names = [...project.migrations];
  return missing.map((release) => {
    const ending = release.product === "strata" ? "strata" : "strata_companion";
    const name = `${nextVersion(names)}_${ending}.sql`;
    names.push(name);
    return { says: saysOf(release, there), path: `migrations/${name}`, text: release.text };
  });
}

function saysOf({ product, version }: ReleaseFile, there: readonly ReleaseFile[]): string {
  const what = product === "strata" ? "Strata" : "the companion";
  const isUpgrade = there.some((one) => one.product === product);
  return isUpgrade
    ? `${what} ${version}: upgrades what the files before it installed`
    : `${what} ${version}: one migration`;
}

/** Release files among the project's own migrations, oldest first; another file may have such a name, and is its owner's. */
async function ownReleases(project: Project): Promise<(ReleaseFile & { name: string })[]> {
  const names = project.migrations.filter((name) => RELEASE.test(name));
  const texts = await Promise.all(
    names.map((name) => Deno.readTextFile(join(project.path, "migrations", name))),
  );
  return texts.flatMap((text, at) => {
    const digest = /^-- digest ([0-9a-f]{64})$/m.exec(text.slice(0, 400))?.[1];
    const name = names[at] ?? "";
    const product = name.endsWith("_strata_companion.sql") ? "companion" : "strata";
    return digest === undefined ? [] : [{ name, product, version: "", digest, text }];
  });
}

/** A function's files, and its imports pinned beside it, so that the project's import map stays as it is. */
async function functionChanges(project: Project, name: string): Promise<Change[]> {
  const from = join(ROOT, "supabase", "functions", name);
  const files = new Map<string, string>();
  for (const path of await sourcesIn(from)) {
    files.set(path, await Deno.readTextFile(join(from, path)));
  }
  if (name !== SHARED) files.set("deno.json", await pinned());
  const changes: Change[] = [];
  for (const [path, text] of files) {
    const target = `functions/${name}/${path}`;
    const there = await Deno.readTextFile(join(project.path, target)).catch(() => undefined);
    if (there !== text) changes.push({ says: `function ${name}`, path: target, text });
  }
  return changes;
}

async function pinned(): Promise<string> {
  return await Deno.readTextFile(join(ROOT, "import_map.json"));
}

async function sourcesIn(directory: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(directory, below))) {
    const path = below === "" ? name : `${below}/${name}`;
    if (isDirectory) found.push(...await sourcesIn(directory, path));
    else if (name.endsWith(".ts")) found.push(path);
  }
  return found.sort();
}

/** Refuses to write over a function of the owner's that happens to have the same name. */
export function refuseOwnFunctions(
  project: Project,
  functions: readonly string[],
): void {
  const ours = ofStrata(project);
  const taken = [SHARED, ...functions].filter((name) =>
    project.functions.includes(name) && !ours.includes(name)
  );
  if (functions.length === 0 || taken.length === 0) return;
  throw new Failure(
    `The project has functions of its own named ${taken.join(", ")}`,
    "Rename them, or name with --functions those of Strata's that you want.",
    2,
  );
}

/** Folders of functions that `add` has put there, as config.toml says. */
function ofStrata(project: Project): string[] {
  const named = functionsIn(project.config);
  return (named.length === 0 ? [] : [SHARED, ...named]).filter((name) =>
    project.functions.includes(name)
  );
}

function removedFunction(name: string): Change {
  return { says: `function ${name}`, path: `functions/${name}`, text: undefined };
}

const NOTE =
  "-- Strata was here, and has been removed. The file stays, because databases remember its number.\n";

/** The name of the newest migration that ends so; empty, before all others, if there is none. */
function newestOf({ migrations }: Project, ending: string): string {
  return migrations.findLast((name) => name.endsWith(ending)) ?? "";
}

/** What takes the companion out, and leaves Strata. */
export async function companionRemovals(project: Project): Promise<Change[]> {
  const releases = (await ownReleases(project)).filter(({ product }) => product === "companion")
    .map(({ name }) => name);
  const last = newestOf(project, REMOVED.companion);
  const newest = releases.at(-1);
  const changes = await notes(project, releases);
  if (newest !== undefined && newest > last) {
    changes.push({
      says: "takes the companion out of a database with the next `supabase db push`; " +
        "tables and rows stay",
      path: `migrations/${nextVersion(project.migrations)}${REMOVED.companion}`,
      text: await companionRemovalSql(),
    });
  }
  const functions = functionsIn(project.config);
  if (!functions.includes(VOICE)) return changes;
  const config = withStrata(project.config, functions.filter((name) => name !== VOICE));
  return [
    ...changes,
    removedFunction(VOICE),
    { says: `${VOICE} goes from Strata's sections`, path: "config.toml", text: config },
  ];
}

/** A note in place of each release file, unless a migration of the owner's needs what it makes. */
async function notes(project: Project, releases: readonly string[]): Promise<Change[]> {
  const isNeeded = await usesStrata(project);
  return isNeeded ? [] : releases.map((name) => ({
    says: "a note in its place: databases remember its number",
    path: `migrations/${name}`,
    text: NOTE,
  }));
}

/** What takes Strata out: a migration that does, and its functions and sections of config.toml gone. */
export async function removals(project: Project, leaveRows: boolean): Promise<Change[]> {
  const releases = (await ownReleases(project)).map(({ name }) => name);
  const changes = await notes(project, releases);
  changes.push(...await removalChanges(project, releases.at(-1), leaveRows));
  changes.push(...ofStrata(project).map(removedFunction));
  const config = withoutStrata(project.config);
  if (config !== project.config) {
    changes.push({ says: "Strata's sections", path: "config.toml", text: config });
  }
  return changes;
}

/** Whether a migration of the owner's calls Strata: on a database that is made anew, it still has to be there by then. */
async function usesStrata(project: Project): Promise<boolean> {
  const releases = (await ownReleases(project)).map(({ name }) => name);
  const others = project.migrations.filter((name) =>
    !releases.includes(name) && !Object.values(REMOVED).some((ending) => name.endsWith(ending))
  );
  const texts = await Promise.all(
    others.map((name) => Deno.readTextFile(join(project.path, "migrations", name))),
  );
  return texts.some((text) => /\bstrata"?\s*\./i.test(text));
}

/** One more migration; said otherwise than before (--leave-rows), it is written anew: it was refused, or has been done. */
async function removalChanges(
  project: Project,
  newest: string | undefined,
  leaveRows: boolean,
): Promise<Change[]> {
  const text = await removalSql(leaveRows);
  const last = newestOf(project, REMOVED.strata);
  if (last !== "" && (newest === undefined || last > newest)) {
    const path = `migrations/${last}`;
    const isSame = await Deno.readTextFile(join(project.path, path)) === text;
    return isSame
      ? []
      : [{ says: "says otherwise whether settled rows may stay where they are", path, text }];
  }
  if (newest === undefined) return [];
  return [{
    says: "takes Strata out of a database with the next `supabase db push`; tables and rows stay",
    path: `migrations/${nextVersion(project.migrations)}${REMOVED.strata}`,
    text,
  }];
}

/** The SQL that takes Strata out of a database. */
export async function removalSql(leaveRows: boolean): Promise<string> {
  const text = await framed("release/remove.sql");
  return text.replaceAll("%LEAVE_ROWS%", String(leaveRows));
}

/** The SQL that takes the companion out of a database, and leaves Strata there. */
export async function companionRemovalSql(): Promise<string> {
  return await framed("companion/release/remove.sql");
}

async function framed(file: string): Promise<string> {
  const parts = await Promise.all(
    ["release/open.sql", file, "release/close.sql"].map((part) =>
      Deno.readTextFile(join(ROOT, "supabase", "schemas", part))
    ),
  );
  return parts.join("\n");
}
