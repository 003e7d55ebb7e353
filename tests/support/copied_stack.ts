import { clustersOf, makeData, removeData } from "../../local/home.ts";
import { completeVersion } from "../../local/cluster.ts";
import { contentHash, preparationVersion } from "../../local/prepare.ts";
import { makeServerDirectory, run } from "../../local/server_user.ts";
import {
  openStack,
  REPOSITORY,
  type StackOptions,
  type Tier,
  TIERS,
} from "../../local/settings.ts";
import { down, removeStack, type RunningStack, up } from "../../local/stack.ts";
import { pushReleases } from "../../cli/lib/releases.ts";
import postgres from "postgres";
import { openLogins, passwordOfLinks, TEST_STACK } from "./stack.ts";

/** What the databases `postgres` of a stack hold: what a new project has, or Strata as well. */
export type Content = "empty" | "migrated";

/** Enough for every neighbour of a chain; `cronChain` has one. */
const MOVER_CONNECTIONS = 10;

/** Gives a stack that was never up the data and the passwords of one that is down. */
export async function copyStack(
  from: StackOptions,
  to: StackOptions,
  inMemory: boolean,
): Promise<void> {
  const [source, target] = await Promise.all([openStack(from), openStack(to)]);
  await Deno.mkdir(target.home, { recursive: true });
  const originals = clustersOf(source, await Deno.realPath(`${source.home}/data`));
  const copies = clustersOf(target, await makeData(target, inMemory));
  for (const [at, { directory }] of copies.entries()) {
    await makeServerDirectory(directory);
    for (const part of ["data", "complete"]) { // neither its log nor its socket
      await run("cp", ["-a", `${originals[at]?.directory}/${part}`, `${directory}/${part}`]);
    }
  }
  await Deno.copyFile(`${source.home}/env`, `${target.home}/env`);
}

/** Where the stack of this content lies that others are copied from. */
export function homeOfPrepared(content: Content, home = TEST_STACK.home): string {
  return `${home}/prepared-${content}`;
}

/** A stack that is down and has this content, made by whoever needs it first: to be copied, which is quick. */
export async function preparedStack(content: Content, portBase: number): Promise<StackOptions> {
  const where = { home: homeOfPrepared(content), portBase };
  const { home } = await openStack(where);
  await Deno.mkdir(home, { recursive: true });
  using lock = await Deno.open(`${home}/prepared.lock`, { create: true, write: true });
  await lock.lock(true);
  const marker = `${home}/prepared`;
  const version = await versionOf(content);
  if (await Deno.readTextFile(marker).catch(() => "") === version && await isWhole(where)) {
    return where;
  }
  await removeStack(where);
  await Deno.remove(`${home}/env`).catch(() => {});
  if (content === "migrated") await copyStack(await preparedStack("empty", portBase), where, true);
  try {
    const stack = await up({ ...where, inMemory: true });
    if (content === "migrated") await Promise.all(TIERS.map((tier) => migrate(stack, tier)));
    await down(where);
  } catch (error) {
    await removeStack(where);
    throw error;
  }
  await Deno.writeTextFile(marker, version);
  return where;
}

async function isWhole(where: StackOptions): Promise<boolean> {
  const stack = await openStack(where);
  const data = await Deno.realPath(`${stack.home}/data`).catch(() => undefined);
  if (data === undefined) return false;
  const versions = await Promise.all(clustersOf(stack, data).map(completeVersion));
  if (!versions.includes(undefined)) return true;
  await removeData(stack);
  return false;
}

/** Changes with everything that such a stack is made of. */
async function versionOf(content: Content): Promise<string> {
  const prepared = `${Deno.env.get("STRATA_PG") ?? ""} ${await preparationVersion()}`;
  return content === "empty" ? prepared : `${prepared} ${await migrationsHash()}`;
}

/** One short text that stands for the migrations as they are. */
export async function migrationsHash(): Promise<string> {
  const directory = `${REPOSITORY}/supabase/migrations`;
  const migrations = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
  return await contentHash(migrations.sort().map((name) => `${directory}/${name}`));
}

async function migrate(stack: RunningStack, tier: Tier): Promise<void> {
  const url = stack.env[`STRATA_${tier.toUpperCase()}_DB_URL`] ?? "";
  await pushReleases(url, { personal: true });
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await openLogins(sql, tier, passwordOfLinks(stack), MOVER_CONNECTIONS);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
