import { pushReleases } from "../../cli/lib/releases.ts";
import { pushFiles } from "../../cli/lib/supabase.ts";
import { type Cluster, connectLocally } from "../../local/cluster.ts";
import { prepareDatabase } from "../../local/prepare.ts";
import { type Tier, TIERS } from "../../local/settings.ts";
import { migrationsHash } from "./copied_stack.ts";
import { filesOf } from "./released.ts";
import { moverPassword, openLogins, testCluster, testStack } from "./stack.ts";

/** Enough for every test that runs at once; far from the server's 60. */
const MOVER_CONNECTIONS = 30;
/** Templates of earlier migrations stay a while: another run may still copy from them. */
const TEMPLATES_KEPT = 4;

/** A frozen release that every test database had before: any test can so be run on what was upgraded. */
const FROM = Deno.env.get("STRATA_TEST_FROM");

let prepared: Promise<string> | undefined;

/**
 * The database that test databases are copied from: on every tier, migrated by the Supabase CLI,
 * made anew only when the migrations have changed.
 */
export function template(): Promise<string> {
  return prepared ??= prepareTemplates();
}

/** The address of a database on a tier of the tests' stack, as `postgres`. */
export async function databaseUrl(tier: Tier, database: string): Promise<string> {
  const { env } = await testStack();
  const url = new URL(env[`STRATA_${tier.toUpperCase()}_DB_URL`] ?? "");
  url.pathname = database;
  return url.href;
}

async function prepareTemplates(): Promise<string> {
  const { stack } = await testStack();
  using lock = await Deno.open(`${stack.home}/template.lock`, { create: true, write: true });
  await lock.lock(true);
  const from = FROM === undefined ? "" : `_from_${FROM.replaceAll(".", "_")}`;
  const name = `strata_template_${await migrationsHash()}${from}`;
  await Promise.all(TIERS.map((tier) => prepareTemplate(tier, name)));
  return name;
}

/** The template is whole once nobody may connect to it. */
async function prepareTemplate(tier: Tier, name: string): Promise<void> {
  const cluster = await testCluster(tier);
  const admin = connectLocally(cluster);
  try {
    const [found] = await admin`
      select from pg_database where datname = ${name} and not datallowconn`;
    if (found !== undefined) return;
    await admin`drop database if exists ${admin(name)}`;
    await admin`create database ${admin(name)} owner postgres`;
    await migrate(cluster, name);
    await compact(cluster, name);
    await admin`alter database ${admin(name)} allow_connections false`;
    const outdated = await admin<{ datname: string }[]>`
      select datname from pg_database where datname like 'strata_template_%'
       order by oid desc offset ${TEMPLATES_KEPT}`;
    for (const { datname } of outdated) await admin`drop database ${admin(datname)}`;
  } finally {
    await admin.end();
  }
}

/** Thousands of copies are made: the smaller it is, the sooner each is there. */
async function compact(cluster: Cluster, name: string): Promise<void> {
  const sql = connectLocally(cluster, name);
  const catalogues = await sql<{ name: string }[]>`
    select oid::regclass::text as name from pg_class
     where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r' and not relisshared`;
  await sql.unsafe(`vacuum (full, freeze) ${catalogues.map(({ name }) => name).join(", ")}`);
  await sql`checkpoint`; // the files that were given up are removed
  await sql.end();
  const first = connectLocally(cluster, name);
  await first`select`; // leaves the file from which sessions learn the catalogue
  await first.end();
}

async function migrate(cluster: Cluster, name: string): Promise<void> {
  const sql = connectLocally(cluster, name);
  try {
    await prepareDatabase((await testStack()).servers[cluster.tier], sql);
    const url = await databaseUrl(cluster.tier, name);
    if (FROM !== undefined) await pushFiles(url, await filesOf(FROM));
    await pushReleases(url, { personal: true });
    await sql`set role postgres`; // who makes a role may change it
    await openLogins(sql, cluster.tier, await moverPassword(), MOVER_CONNECTIONS);
  } finally {
    await sql.end();
  }
}
