/** Releases of Strata: which ones lie here, which ones a tier has, and how they get there. */
import { resolve } from "node:path";
import type { Sql } from "postgres";
import type { TierTrust } from "../config/security.ts";
import { releases } from "../tiers/releases.ts";
import { Failure } from "./errors.ts";
import { connect } from "./session.ts";
import { type MigrationFile, pushFiles } from "./supabase.ts";

/** What a release file is of: Strata itself, or the companion, which is only pushed where it is wanted. */
export type Product = "strata" | "companion";

/** A release file that lies here. */
export interface ReleaseFile {
  product: Product;
  version: string;
  digest: string;
  text: string;
}

const MIGRATIONS = resolve(import.meta.dirname ?? ".", "../../supabase/migrations");

/** The names of the release files that lie here. */
export async function fileNamesHere(directory = MIGRATIONS): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
}

/** The newest release file of each product, Strata first. */
export async function releasesHere(directory = MIGRATIONS): Promise<ReleaseFile[]> {
  const names = await fileNamesHere(directory);
  const found: ReleaseFile[] = [];
  for (const product of ["strata", "companion"] as const) {
    const ending = product === "strata" ? "_strata.sql" : "_strata_companion.sql";
    const name = names.findLast((one) => one.endsWith(ending));
    if (name === undefined) continue;
    const text = await Deno.readTextFile(`${directory}/${name}`);
    const head = /^-- Strata (\d+\.\d+\.\d+)[^\n]*\n-- digest ([0-9a-f]{64})\n/.exec(text);
    if (head === null) {
      throw new Failure(
        `${name} is not a release file`,
        "Run `deno task release`, or take it from a clean copy.",
      );
    }
    found.push({ product, version: head[1] ?? "", digest: head[2] ?? "", text });
  }
  return found;
}

/** The release of Strata that lies here. */
export async function versionHere(): Promise<string> {
  return (await releasesHere())[0]?.version ?? "";
}

/** Whether a release is later than another; both as numbers with points between them. */
export function isLater(version: string, than: string): boolean {
  const [a, b] = [version, than].map((one) => one.split(".").map(Number)) as [number[], number[]];
  const at = a.findIndex((part, place) => part !== (b[place] ?? 0));
  return at >= 0 && (a[at] ?? 0) > (b[at] ?? 0);
}

/** How a push is to go. */
export interface PushOptions {
  trust?: TierTrust;
  /** The companion as well; where a tier has it already, it is kept current anyway. */
  personal?: boolean;
}

/** What a push came to: each release that was pushed, and what the CLI said. */
export interface Pushed {
  pushed: ReleaseFile[];
  output: string;
}

/**
 * Gives a tier the releases that lie here, unless it has them. The history of migrations is left so that nobody's later
 * push is refused: what this one wrote into it goes again, and so do the chapters of before there were releases.
 */
export async function pushReleases(url: string, options: PushOptions = {}): Promise<Pushed> {
  const { trust = {}, personal = false } = options;
  const here = await releasesHere();
  const sql = connect(url, trust);
  try {
    const there = await releases(sql);
    const wanted = here.filter(({ product }) =>
      product === "strata" || personal || there.some((one) => one.product === product)
    );
    for (const { product, version } of wanted) {
      const newer = there.find((one) => one.product === product && isLater(one.version, version));
      if (newer === undefined) continue;
      throw new Failure(
        `it has ${
          product === "strata" ? "Strata" : "the companion"
        } ${newer.version}, which is newer than ${version} here`,
        "Update this copy of Strata.",
      );
    }
    const missing = wanted.filter(({ product, digest }) =>
      !there.some((one) => one.product === product && one.digest === digest)
    );
    if (missing.length === 0) {
      await clearHistory(sql);
      return { pushed: [], output: "It is up to date.\n" };
    }
    const output = await pushFiles(url, missing.map(asMigration), trust);
    await clearHistory(sql);
    return { pushed: missing, output };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const NAMES: Record<Product, string> = {
  strata: "strata_setup",
  companion: "strata_companion_setup",
};

function asMigration({ product, text }: ReleaseFile, place: number): MigrationFile {
  const now = new Date(Date.now() + place * 1000).toISOString().replaceAll(/\D/g, "").slice(0, 14);
  return { name: `${now}_${NAMES[product]}.sql`, text };
}

/** Chapters of before there were releases; of one night's first hour. */
const CHAPTER = "^2026112200[0-9]{4}$";

/**
 * A push may have been killed before it could take its rows out again, so they are known by their names, and by what they
 * say: the owner may have files of such a name, or of that hour, too.
 */
async function clearHistory(sql: Sql): Promise<void> {
  const [found] = await sql<{ there: boolean }[]>`
    select to_regclass('supabase_migrations.schema_migrations') is not null as there`;
  if (found?.there !== true) return;
  await sql`
    delete from supabase_migrations.schema_migrations as m
     where (to_jsonb(m) ->> 'name' = any (${Object.values(NAMES)}) and
            to_jsonb(m) ->> 'statements' like '%select strata.note_release(%')
        or (m.version ~ ${CHAPTER} and coalesce(to_jsonb(m) ->> 'statements' like '%strata%', true))`;
}
