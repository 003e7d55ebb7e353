import { pushReleases } from "../../cli/lib/releases.ts";
import { type MigrationFile, pushFiles } from "../../cli/lib/supabase.ts";
import { connectLocally } from "../../local/cluster.ts";
import { prepareDatabase } from "../../local/prepare.ts";
import type { Tier } from "../../local/settings.ts";
import { type Driver, formChain } from "../support/chain.ts";
import { copyDatabase, type TestDatabase, testDatabase } from "../support/database.ts";
import type { MoveChain } from "../support/moves.ts";
import { filesOf } from "../support/released.ts";
import { moverPassword, testCluster, testStack } from "../support/stack.ts";
import { databaseUrl, template } from "../support/template.ts";

/** A frozen release, by the name of its folder; or the one that lies here. */
export type Release = "0.0" | "today";

/** A database with a release in it. */
export async function releasedDatabase(release: Release, tier: Tier): Promise<TestDatabase> {
  if (release === "today") return await testDatabase(tier);
  return await copyDatabase(tier, await madeOnce(tier, await filesOf(release)));
}

/** An empty database, prepared like a hosted project's. */
export async function emptyDatabase(tier: Tier): Promise<TestDatabase> {
  return await copyDatabase(tier, await madeOnce(tier, []));
}

/** A chain of databases, each with its release, linked by their own functions. */
export async function releasedChain(
  releases: Partial<Record<Tier, Release>>,
  driver: Driver,
): Promise<MoveChain> {
  await template(); // the logins of links belong to the servers
  const databases = await Promise.all(
    Object.entries(releases).map(([tier, release]) => releasedDatabase(release, tier as Tier)),
  );
  const dispose = async () => {
    await Promise.all(databases.map((one) => one[Symbol.asyncDispose]()));
  };
  const chain = await formChain(databases, driver, await moverPassword(), dispose);
  return Object.assign(chain, {
    driver,
    freezeClock: async (at: string) => {
      await Promise.all(databases.map((one) => one.freezeClock(at)));
    },
  });
}

/** Gives a tier the release that lies here, as setup does. */
export async function upgrade({ url }: TestDatabase): Promise<void> {
  await pushReleases(url);
}

/** A database to be copied from, with these files pushed to it; it is whole once nobody may connect to it. */
async function madeOnce(tier: Tier, files: MigrationFile[]): Promise<string> {
  const [stack, cluster] = [await testStack(), await testCluster(tier)];
  const text = files.map(({ name, text }) => name + text).join();
  const bytes = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)),
  );
  const name = `strata_released_${bytes.toHex().slice(0, 16)}`;
  using lock = await Deno.open(`${stack.stack.home}/${name}_${tier}.lock`, {
    create: true,
    write: true,
  });
  await lock.lock(true);
  const admin = connectLocally(cluster);
  try {
    const [found] = await admin`
      select from pg_database where datname = ${name} and not datallowconn`;
    if (found !== undefined) return name;
    await admin`drop database if exists ${admin(name)}`;
    await admin`create database ${admin(name)} owner postgres`;
    const sql = connectLocally(cluster, name);
    await prepareDatabase(stack.servers[tier], sql);
    await sql.end();
    if (files.length > 0) await pushFiles(await databaseUrl(tier, name), files);
    await admin`alter database ${admin(name)} allow_connections false`;
    return name;
  } finally {
    await admin.end();
  }
}
