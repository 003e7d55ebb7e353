import { type MigrationFile, pushFiles } from "../../cli/lib/supabase.ts";
import { connectLocally } from "../../local/cluster.ts";
import { prepareDatabase } from "../../local/prepare.ts";
import { REPOSITORY, type Tier } from "../../local/settings.ts";
import { databaseUrl } from "../support/template.ts";
import { testCluster, testStack } from "../support/stack.ts";

/** Where the frozen releases lie: each a project as the Supabase CLI knows it. */
export const RELEASED = `${REPOSITORY}/tests/upgrade/released`;

/** A database with a release in it, dropped at the end of the enclosing `await using` block. */
export interface ReleasedDatabase extends AsyncDisposable {
  name: string;
  url: string;
}

/** Makes an empty database, prepared like a hosted project's, and pushes a frozen release to it. */
export async function releasedDatabase(
  release: string,
  tier: Tier = "core",
): Promise<ReleasedDatabase> {
  const name = `strata_test_${crypto.randomUUID().replaceAll("-", "")}`;
  const cluster = await testCluster(tier);
  const admin = connectLocally(cluster);
  await admin`create database ${admin(name)} owner postgres`;
  const sql = connectLocally(cluster, name);
  await prepareDatabase((await testStack()).servers[tier], sql);
  await sql.end();
  const url = await databaseUrl(tier, name);
  await pushFiles(url, await filesOf(release));
  return {
    name,
    url,
    async [Symbol.asyncDispose]() {
      await admin`drop database ${admin(name)} with (force)`;
      await admin.end();
    },
  };
}

/** The migrations of a frozen release, as they lie there. */
export async function filesOf(release: string): Promise<MigrationFile[]> {
  const directory = `${RELEASED}/${release}/supabase/migrations`;
  const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
  return await Promise.all(
    names.map(async (name) => ({ name, text: await Deno.readTextFile(`${directory}/${name}`) })),
  );
}
