/** What adding Strata to an application's project changes there, and what taking it out does. */
import { join } from "@std/path";
import { ROOT } from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { type ReleaseFile, releasesHere } from "../lib/releases.ts";
import { withoutStrata, withStrata } from "./config_toml.ts";
import type { Change, Project } from "./project.ts";

/** What of Strata somebody wants in his project. */
export interface Wanted {
  /** Names of edge functions. */
  functions: readonly string[];
  personal: boolean;
}

const SHARED = "_strata";
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
  for (const name of wanted.functions.length === 0 ? [] : [SHARED, ...wanted.functions]) {
    changes.push(...await functionChanges(project, name));
  }
  const text = withStrata(project.config, wanted.functions);
  if (text !== project.config) {
    changes.push({
      says: `the functions, and schema strata for them, between two lines that say so`,
      path: "config.toml",
      text,
    });
  }
  return changes;
}

async function releaseChanges(project: Project, personal: boolean): Promise<Change[]> {
  const there = await ownReleases(project);
  const wanted = (await releasesHere()).filter(({ product }) =>
    product === "strata" || personal || there.some((one) => one.product === product)
  );
  const missing = wanted.filter(({ digest }) => !there.some((one) => one.digest === digest));
  let newest = [...project.migrations.map((name) => name.slice(0, 14)), today()].sort().at(-1) ??
    "";
  return missing.map((release) => {
    newest = project.migrations.some((name) => name.startsWith(newest)) ? after(newest) : newest;
    const name = `${newest}_${release.product === "strata" ? "strata" : "strata_companion"}.sql`;
    newest = after(newest);
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

/** Release files among the project's own migrations. */
async function ownReleases(project: Project): Promise<ReleaseFile[]> {
  const names = project.migrations.filter((name) => RELEASE.test(name));
  const texts = await Promise.all(
    names.map((name) => Deno.readTextFile(join(project.path, "migrations", name))),
  );
  return texts.flatMap((text, at) => {
    const digest = /^-- digest ([0-9a-f]{64})$/m.exec(text.slice(0, 400))?.[1];
    const product = names[at]?.endsWith("_strata_companion.sql") ? "companion" : "strata";
    return digest === undefined ? [] : [{ product, version: "", digest, text }];
  });
}

function today(): string {
  return new Date().toISOString().replaceAll(/\D/g, "").slice(0, 14);
}

/** The next second, as the Supabase CLI numbers migrations: a file beside another needs a later number. */
function after(version: string): string {
  const [year, month, day, hour, minute, second] = [[0, 4], [4, 6], [6, 8], [8, 10], [10, 12], [
    12,
    14,
  ]]
    .map(([from, to]) => Number(version.slice(from, to))) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
  const next = new Date(Date.UTC(year, month - 1, day, hour, minute, second + 1)).toISOString();
  return next.replaceAll(/\D/g, "").slice(0, 14);
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
  const isStratas = project.config.includes("# >>> strata");
  const taken = [SHARED, ...functions].filter((name) => project.functions.includes(name));
  if (functions.length === 0 || taken.length === 0 || isStratas) return;
  throw new Failure(
    `The project has functions of its own named ${taken.join(", ")}`,
    "Rename them, or name with --functions those of Strata's that you want.",
    2,
  );
}

/** What takes Strata out: a migration that does, and its functions and sections of config.toml gone. */
export async function removals(project: Project, leaveRows: boolean): Promise<Change[]> {
  const changes: Change[] = [];
  const releases = project.migrations.filter((name) => RELEASE.test(name));
  for (const name of releases) {
    const text =
      "-- Strata was here, and has been removed. The file stays, because databases remember its number.\n";
    if (await Deno.readTextFile(join(project.path, "migrations", name)) === text) continue;
    changes.push({
      says: "a note in its place: databases remember its number",
      path: `migrations/${name}`,
      text,
    });
  }
  if (releases.length > 0) {
    changes.push(...await removalChanges(project, changes.length > 0, leaveRows));
  }
  if (project.config.includes("# >>> strata")) {
    for (
      const name of (await functionsHere()).concat(SHARED).filter((one) =>
        project.functions.includes(one)
      )
    ) {
      changes.push({ says: `function ${name}`, path: `functions/${name}`, text: undefined });
    }
  }
  const config = withoutStrata(project.config);
  if (config !== project.config) {
    changes.push({ says: "Strata's sections", path: "config.toml", text: config });
  }
  return changes;
}

/** One more migration; said otherwise than before (--leave-rows), it is written anew: it was refused, or has been done. */
async function removalChanges(
  project: Project,
  isNew: boolean,
  leaveRows: boolean,
): Promise<Change[]> {
  const text = await removalSql(leaveRows);
  const last = project.migrations.findLast((name) => name.endsWith("_strata_removed.sql"));
  if (last !== undefined && !isNew) {
    const path = `migrations/${last}`;
    const isSame = await Deno.readTextFile(join(project.path, path)) === text;
    return isSame
      ? []
      : [{ says: "says otherwise whether settled rows may stay where they are", path, text }];
  }
  const newest = [...project.migrations.map((name) => name.slice(0, 14)), today()].sort().at(-1) ??
    "";
  const version = project.migrations.some((name) => name.startsWith(newest))
    ? after(newest)
    : newest;
  return [{
    says: "takes Strata out of a database with the next `supabase db push`; tables and rows stay",
    path: `migrations/${version}_strata_removed.sql`,
    text,
  }];
}

/** The SQL that takes Strata out of a database. */
export async function removalSql(leaveRows: boolean): Promise<string> {
  const text = await Deno.readTextFile(join(ROOT, "supabase", "schemas", "release", "remove.sql"));
  return text.replaceAll("%LEAVE_ROWS%", String(leaveRows));
}
