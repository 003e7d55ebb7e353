import postgres from "postgres";
import {
  type Cluster,
  clusterMajor,
  completeVersion,
  configure,
  initialise,
  markComplete,
  postmaster,
  serverProcesses,
  start,
  stop,
} from "./cluster.ts";
import { randomSecret, writeEnvFile } from "./env_file.ts";
import { clustersOf, findData, lockHome, makeData, removeData } from "./home.ts";
import { netWorkers, startNetWorker, stopNetWorker } from "./net_worker_process.ts";
import { findPostgres, type Postgres, requirePostgres } from "./packages.ts";
import { preparationVersion, prepareCluster, setPassword, setSecrets } from "./prepare.ts";
import { projectServers, startProjects, stopProjects } from "./projects_process.ts";
import {
  databasePort,
  gatewayPort,
  openStack,
  type Stack,
  StackError,
  type StackOptions,
  type Tier,
  TIERS,
} from "./settings.ts";

/** What `up` may be told. */
export interface UpOptions extends StackOptions {
  /** Hears what is being done when that takes a while. */
  say?: (line: string) => void;
  /** Make clusters anew that older SQL of ours has prepared. Their data is lost: for tests. */
  disposable?: boolean;
  /** Keep new clusters in memory where there is room: quicker, and lost when the machine is switched off. */
  inMemory?: boolean;
  /** Serve each tier's REST API and functions as well, with the code as it is now. */
  projects?: boolean;
}

/** A stack that is up. */
export interface RunningStack {
  stack: Stack;
  /** What each tier runs on. */
  servers: Record<Tier, Postgres>;
  clusters: Cluster[];
  /** The variables of the contract between the stack and everything that uses it. */
  env: Record<string, string>;
  /** The tiers whose server this call started. */
  started: Tier[];
}

/** Brings the stack up, from whatever state it is in. Doing it again changes nothing. */
export async function up(options: UpOptions = {}): Promise<RunningStack> {
  const { say = () => {}, disposable = false, projects = false, inMemory = false } = options;
  const stack = await openStack(options);
  using _lock = await lockHome(stack);
  const { servers, clusters } = await locate(stack, say, inMemory);

  const env = environmentOf(stack);
  await writeEnvFile(`${stack.home}/env`, env);
  const version = await preparationVersion();
  const starts = await Promise.allSettled(clusters.map(async (cluster) => {
    const started = await bringUp(servers[cluster.tier], cluster, { version, disposable, say });
    await requireLogin(cluster, env);
    if (projects) await setSecrets(cluster, secretsOf(cluster, env));
    return started;
  }));
  for (const outcome of starts) if (outcome.status === "rejected") throw outcome.reason;
  if (TIERS.some((tier) => !servers[tier].extensions.has("pg_net"))) await startNetWorker(clusters);
  if (projects) {
    await stopProjects(stack);
    await startProjects(stack);
  }

  const started = TIERS.filter((_, at) => {
    const outcome = starts[at];
    return outcome?.status === "fulfilled" && outcome.value;
  });
  return { stack, servers, clusters, env, started };
}

/** Stops everything of a stack and returns whether there was anything to stop. */
export async function down(options: StackOptions = {}): Promise<boolean> {
  const stack = await openStack(options);
  using _lock = await lockHome(stack);
  const data = await findData(stack);
  if (data === undefined) return false;
  const clusters = clustersOf(stack, data);
  const stopped = await Promise.all([
    stopProjects(stack),
    stopNetWorker(clusters),
    ...clusters.map(async (cluster) => {
      return await stop(await findPostgres(await madeWith(cluster)), cluster);
    }),
  ]);
  return stopped.includes(true);
}

/** Stops a stack and removes its data; `up` begins from nothing afterwards. */
export async function removeStack(options: StackOptions = {}): Promise<void> {
  await down(options);
  await removeData(await openStack(options));
}

/** What a tier is doing. */
export interface TierStatus {
  tier: Tier;
  port: number;
  state: "running" | "stopped" | "not made" | "orphans";
  pid?: number;
}

/** The state of a stack, tier by tier. */
export async function status(options: StackOptions = {}) {
  const stack = await openStack(options);
  const clusters = clustersOf(stack, await findData(stack) ?? `${stack.home}/data`);
  const tiers: TierStatus[] = await Promise.all(clusters.map(async (cluster) => {
    const { tier, port } = cluster;
    const pid = (await postmaster(cluster))?.pid;
    if (pid !== undefined) return { tier, port, state: "running", pid };
    if ((await serverProcesses(cluster)).length > 0) return { tier, port, state: "orphans" };
    const made = await completeVersion(cluster) !== undefined;
    return { tier, port, state: made ? "stopped" : "not made" };
  }));
  return {
    stack,
    tiers,
    netWorker: (await netWorkers(clusters)).length > 0,
    projects: (await projectServers(stack)).length > 0,
  };
}

async function locate(stack: Stack, say: (line: string) => void, inMemory: boolean) {
  const data = await findData(stack);
  const servers: Partial<Record<Tier, Postgres>> = {};
  const makers = data === undefined ? [] : clustersOf(stack, data);
  for (const tier of TIERS) { // one after the other: the first may create the servers' user
    const maker = makers.find((cluster) => cluster.tier === tier);
    const made = maker === undefined ? undefined : await madeWith(maker);
    const wanted = stack.majors[tier];
    if (made !== undefined && wanted !== undefined && made !== wanted) {
      say(
        `The ${tier} tier was made with PostgreSQL ${made}; \`reset\` makes it anew with ${wanted}.`,
      );
    }
    servers[tier] = await requirePostgres(made ?? wanted, say);
  }
  const { core, main, archive } = servers;
  if (core === undefined || main === undefined || archive === undefined) {
    throw new Error("a tier was left out");
  }
  return {
    servers: { core, main, archive },
    clusters: clustersOf(stack, await makeData(stack, inMemory)),
  };
}

/** A data directory fits the major version that made it and no other. */
async function madeWith(cluster: Cluster): Promise<number | undefined> {
  return await completeVersion(cluster) === undefined ? undefined : await clusterMajor(cluster);
}

async function bringUp(
  server: Postgres,
  cluster: Cluster,
  { version, disposable, say }: { version: string; disposable: boolean; say(line: string): void },
): Promise<boolean> {
  const made = await completeVersion(cluster);
  const outdated = made !== undefined && made !== version;
  const fresh = made === undefined || (outdated && disposable);
  if (outdated && !disposable) {
    say(`The ${cluster.tier} tier was prepared by an older local/sql; \`reset\` makes it anew.`);
  }
  if (fresh) await initialise(server, cluster);
  const changed = await configure(server, cluster);
  if (changed) await stop(server, cluster);
  const started = await start(server, cluster);
  if (fresh) {
    await prepareCluster(server, cluster);
    await markComplete(cluster, version);
  }
  return started;
}

/** Proves that the written-down password opens the tier; gives the tier that password if not. */
async function requireLogin(cluster: Cluster, env: Record<string, string>): Promise<void> {
  const url = env[`STRATA_${cluster.tier.toUpperCase()}_DB_URL`];
  if (url === undefined) throw new StackError(`No address for ${cluster.tier}.`, "Run `reset`.");
  const sql = postgres(url, { max: 1 });
  try {
    await sql`select 1`;
  } catch (error) {
    if (!(error instanceof postgres.PostgresError) || error.code !== "28P01") throw error;
    await setPassword(cluster, "postgres", new URL(url).password);
  } finally {
    await sql.end();
  }
}

/** What a tier's own database must know to wake its functions up. */
function secretsOf({ tier }: Cluster, env: Record<string, string>): Record<string, string> {
  const name = `STRATA_${tier.toUpperCase()}`;
  return { project_url: env[`${name}_URL`] ?? "", wake_secret: env[`${name}_WAKE_SECRET`] ?? "" };
}

function environmentOf(stack: Stack): Record<string, string> {
  const { saved } = stack;
  const env: Record<string, string> = { STRATA_PORT_BASE: `${stack.portBase}` };
  for (const tier of TIERS) {
    const name = `STRATA_${tier.toUpperCase()}`;
    const before = saved[`${name}_DB_URL`];
    const password = before === undefined ? randomSecret() : new URL(before).password;
    const port = databasePort(stack, tier);
    env[`${name}_DB_URL`] = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;
    env[`${name}_URL`] = `http://127.0.0.1:${gatewayPort(stack, tier)}`;
    env[`${name}_KEY`] = saved[`${name}_KEY`] ?? `sb_secret_${randomSecret()}`;
    const publishable = `${name}_PUBLISHABLE_KEY`;
    env[publishable] = saved[publishable] ?? `sb_publishable_${randomSecret()}`;
    env[`${name}_WAKE_SECRET`] = saved[`${name}_WAKE_SECRET`] ?? randomSecret(32);
  }
  return env;
}
