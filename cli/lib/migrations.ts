/** Which migrations a tier has: those of Strata, and those of whoever else works on the project. */

/** What lies in supabase/migrations, compared with what a tier's history names. */
export interface Versions {
  /** Here, and not in the tier yet. */
  missing: string[];
  /** In the tier, Strata's by its number, and not here. */
  unknown: string[];
  /** In the tier, and no business of Strata's: the owner's, or the personal system's. */
  foreign: string[];
}

/** Strata's versions are of one night's first hour, in which hardly anybody made one of his own. */
const OF_STRATA = /^2026112200\d{4}$/;

/** Anybody may delete this chapter's file, and what it made stays. */
const PERSONAL_SYSTEM = "20261122009000";

/** Compares the versions of a tier's history with those that lie here. */
export function compareVersions(there: readonly string[], here: readonly string[]): Versions {
  const others = there.filter((version) => !here.includes(version));
  const isUnknown = (version: string) => OF_STRATA.test(version) && version !== PERSONAL_SYSTEM;
  return {
    missing: here.filter((version) => !there.includes(version)),
    unknown: others.filter(isUnknown),
    foreign: others.filter((version) => !isUnknown(version)),
  };
}

/** The versions of the migrations in a directory. */
export async function versionsIn(directory: string): Promise<string[]> {
  const files = await Array.fromAsync(Deno.readDir(directory));
  return files.flatMap(({ name }) => /^(\d+)_.*\.sql$/.exec(name)?.[1] ?? []).sort();
}
