import { createHash } from "node:crypto";
import postgres from "postgres";
import type { Postgres } from "./packages.ts";
import { findProcesses, killProcesses, type Process } from "./processes.ts";
import { CommandFailed, giveToServer, makeServerDirectory, runAsServer } from "./server_user.ts";
import { StackError, type Tier } from "./settings.ts";
import { waitFor } from "./wait_for.ts";

/** One tier's server. Everything of it lies in one directory. */
export interface Cluster {
  tier: Tier;
  port: number;
  /** Holds data, socket, log and the marker of a finished cluster. */
  directory: string;
}

/** The bootstrap superuser, as on hosted Supabase. */
export const SUPERUSER = "supabase_admin";

const dataOf = (cluster: Cluster) => `${cluster.directory}/data`;
const socketOf = (cluster: Cluster) => `${cluster.directory}/socket`;
const markerOf = (cluster: Cluster) => `${cluster.directory}/complete`;

/** A connection over the private socket, where no password is asked. */
export function connectLocally(
  cluster: Cluster,
  database = "postgres",
  user = SUPERUSER,
  application_name = "strata",
) {
  const { port } = cluster;
  const quiet = {
    onnotice: () => {},
    connect_timeout: 10,
    max: 1,
    connection: { application_name },
  };
  return postgres({ host: socketOf(cluster), port, database, user, ...quiet });
}

/**
 * The version written by `markComplete`; `undefined` for a cluster that somebody began to make and
 * did not finish, which is worth nothing.
 */
export async function completeVersion(cluster: Cluster): Promise<string | undefined> {
  return await Deno.readTextFile(markerOf(cluster)).catch(() => undefined);
}

/** Says that a cluster is whole. The last act of making one. */
export async function markComplete(cluster: Cluster, version: string): Promise<void> {
  await Deno.writeTextFile(`${markerOf(cluster)}.new`, version);
  await Deno.rename(`${markerOf(cluster)}.new`, markerOf(cluster));
}

/** The major version of PostgreSQL that made a cluster, when there is one. */
export async function clusterMajor(cluster: Cluster): Promise<number | undefined> {
  const text = await Deno.readTextFile(`${dataOf(cluster)}/PG_VERSION`).catch(() => undefined);
  return text === undefined ? undefined : Number(text);
}

/** Makes an empty cluster in place of whatever is there. */
export async function initialise(server: Postgres, cluster: Cluster): Promise<void> {
  await remove(cluster);
  await makeServerDirectory(cluster.directory);
  await makeServerDirectory(socketOf(cluster));
  const locale = Deno.build.os === "linux" ? "C.UTF-8" : "en_US.UTF-8";
  await runAsServer(`${server.bin}/initdb`, [
    ...["--pgdata", dataOf(cluster), "--username", SUPERUSER, "--auth", "trust"],
    ...["--encoding", "UTF8", "--locale", locale, "--no-sync"],
  ]);
  await runAsServer("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-days", "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
    ...["-keyout", `${dataOf(cluster)}/server.key`, "-out", `${dataOf(cluster)}/server.crt`],
  ]);
  await makeVaultKey(cluster);
}

/** Stops a cluster and removes it from the disk. */
export async function remove(cluster: Cluster): Promise<void> {
  await killProcesses(() => serverProcesses(cluster));
  await Deno.remove(cluster.directory, { recursive: true }).catch(ignoreNotFound);
}

/** Writes the configuration and returns whether it differs from the one before. */
export async function configure(server: Postgres, cluster: Cluster): Promise<boolean> {
  const source = `${import.meta.dirname}/postgres`;
  const [settings, access] = await Promise.all([
    Deno.readTextFile(`${source}/postgresql.conf`),
    Deno.readTextFile(`${source}/pg_hba.conf`),
  ]);
  const preloaded = ["pg_cron", "pg_net", "supabase_vault"]
    .filter((library) => server.extensions.has(library));
  const own = [
    `port = ${cluster.port}`,
    `unix_socket_directories = '${socketOf(cluster)}'`,
    `cron.host = '${socketOf(cluster)}'`,
    `cluster_name = '${clusterName(cluster)}'`,
    `shared_preload_libraries = '${preloaded.join(",")}'`,
    `vault.getkey_script = '${dataOf(cluster)}/vault_key.sh'`,
  ];
  const changes = [
    await replaceFile(`${dataOf(cluster)}/postgresql.conf`, `${settings}\n${own.join("\n")}\n`),
    await replaceFile(`${dataOf(cluster)}/pg_hba.conf`, access),
  ];
  return changes.includes(true);
}

/** Starts a cluster unless it runs, whatever state its last server was left in. */
export async function start(server: Postgres, cluster: Cluster): Promise<boolean> {
  const running = await postmaster(cluster) !== undefined;
  if (!running) {
    await clearRemains(cluster);
    requireFreePort(cluster);
    const log = `${cluster.directory}/log`;
    const flags = ["start", "--wait", "--silent", "--timeout", "60", "--log", log];
    try {
      await runAsServer(`${server.bin}/pg_ctl`, [...flags, "--pgdata", dataOf(cluster)]);
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      const end = (await Deno.readTextFile(log)).trim().split("\n").slice(-5).join("\n");
      throw new StackError(`The ${cluster.tier} tier did not start:\n${end}`, `See ${log}.`);
    }
  }
  await waitReady(cluster);
  return !running;
}

/** Waits until a cluster answers; it may still be going through its log after a crash. */
export async function waitReady(cluster: Cluster): Promise<void> {
  await waitFor(`the ${cluster.tier} tier to answer`, async () => {
    const sql = connectLocally(cluster);
    return await sql`select 1`.then(() => true, () => false).finally(() => sql.end());
  }, { timeoutMs: 60_000 });
}

/** Stops a cluster and returns whether it was running. No process of it is left. */
export async function stop(server: Postgres | undefined, cluster: Cluster): Promise<boolean> {
  const wasRunning = (await serverProcesses(cluster)).length > 0;
  if (wasRunning && server !== undefined) {
    const flags = ["stop", "--wait", "--silent", "--mode", "fast", "--timeout", "30"];
    await runAsServer(`${server.bin}/pg_ctl`, [...flags, "--pgdata", dataOf(cluster)])
      .catch(() => {}); // what does not stop when asked is killed below
  }
  await killProcesses(() => serverProcesses(cluster));
  return wasRunning;
}

/** The main process of a running cluster. */
export async function postmaster(cluster: Cluster): Promise<Process | undefined> {
  const [found] = await findProcesses((command) => isPostmaster(cluster, command));
  return found;
}

/** Every process of a cluster, the orphans of a killed main process among them. */
export function serverProcesses(cluster: Cluster): Promise<Process[]> {
  const title = `postgres: ${clusterName(cluster)}: `;
  return findProcesses((command) => isPostmaster(cluster, command) || command.startsWith(title));
}

function isPostmaster(cluster: Cluster, command: string): boolean {
  return command.endsWith(`/postgres -D ${dataOf(cluster)}`);
}

/** Shown in the title of every server process, so that ours are told from everybody else's. */
function clusterName({ tier, directory }: Cluster): string {
  return `strata-${tier}-${createHash("sha256").update(directory).digest("hex").slice(0, 8)}`;
}

/**
 * A server that was killed leaves orphans that hold its shared memory, and lock files naming a
 * process number that may be another program's by now. Nothing runs here: they may go.
 */
async function clearRemains(cluster: Cluster): Promise<void> {
  await killProcesses(() => serverProcesses(cluster));
  await Deno.remove(`${dataOf(cluster)}/postmaster.pid`).catch(ignoreNotFound);
  await Deno.remove(socketOf(cluster), { recursive: true }).catch(ignoreNotFound);
  await makeServerDirectory(socketOf(cluster));
}

function requireFreePort({ tier, port }: Cluster): void {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new StackError(
      `Port ${port}, which the ${tier} tier needs, is taken by another program.`,
      "Stop that program, or set STRATA_PORT_BASE to count the ports from another number.",
    );
  }
}

/**
 * The key that vault encrypts with lies beside the data, where SQL cannot read it: the extension
 * asks a program for it, the stand-in reads the file as superuser. Both stay true where the data is copied.
 */
async function makeVaultKey(cluster: Cluster): Promise<void> {
  const [key, script] = [`${dataOf(cluster)}/vault.key`, `${dataOf(cluster)}/vault_key.sh`];
  const random = crypto.getRandomValues(new Uint8Array(32)).toHex();
  await Deno.writeTextFile(key, random, { mode: 0o600 });
  await Deno.writeTextFile(script, `#!/bin/sh\ncat "\${0%/*}/vault.key"\n`, { mode: 0o700 });
  await giveToServer(key);
  await giveToServer(script);
}

async function replaceFile(path: string, text: string): Promise<boolean> {
  if (await Deno.readTextFile(path).catch(() => undefined) === text) return false;
  await Deno.writeTextFile(path, text);
  return true;
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
