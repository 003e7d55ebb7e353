/** Which migrations and which releases a tier has. */
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** The versions of the migrations that were pushed to this tier, Strata's and others. */
export async function migrations(sql: Db): Promise<string[]> {
  const [found] = await sql<{ there: boolean }[]>`
    select to_regclass('supabase_migrations.schema_migrations') is not null as there`;
  if (found?.there !== true) return [];
  const rows = await sql<{ version: string }[]>`
    select version from supabase_migrations.schema_migrations order by version`;
  return rows.map(({ version }) => version);
}

/** A release that a tier has: of Strata itself, or of the companion. */
export interface InstalledRelease {
  product: string;
  version: string;
  digest: string;
}

/** The releases that this tier has, by product; of before there were releases: version 0.0.0. */
export async function releases(sql: Db): Promise<InstalledRelease[]> {
  const [found] = await sql<{ numbered: boolean; old: boolean; companion: boolean }[]>`
    select to_regclass('strata.releases') is not null as numbered, to_regclass('strata.datasets') is not null as old,
           to_regclass('strata.owners') is not null as companion`;
  if (found?.numbered === true) {
    return await sql<InstalledRelease[]>`
      select distinct on (r.product) r.product, r.version, r.digest from strata.releases as r
       order by r.product, r.installed_at desc`;
  }
  const before = (product: string) => ({ product, version: "0.0.0", digest: "" });
  return [
    ...(found?.old === true ? [before("strata")] : []),
    ...(found?.companion === true ? [before("companion")] : []),
  ];
}

/** After a removal: a push from a copy of Strata is to bring these files again. */
export async function forgetPushed(sql: Db, files: string[]): Promise<void> {
  if ((await migrations(sql)).length === 0) return;
  await sql`
    delete from supabase_migrations.schema_migrations
     where version || '_' || name || '.sql' = any (${files})`;
}
