/**
 * A version of PostgreSQL that one would like to have and can do without: the one that is here, or what can be
 * fetched within a time. Whatever is in the way is a sentence and no error: no network, no apt, no room.
 */
import { statfs } from "node:fs/promises";
import { ending } from "./ending.ts";
import { findPostgres, type Postgres } from "./packages.ts";
import { unpackedDirectory, unpackPostgres } from "./unpacked_postgres.ts";

/** Within which bounds a version is fetched. */
export interface Bounds {
  /** How long it may take. */
  milliseconds?: number;
  /** What has to be free on the disk: twice what it takes, while it is unpacked. */
  bytes?: number;
  /** Where versions are unpacked. */
  directory?: string;
}

const THREE_MINUTES = 180_000;
const GIGABYTE = 1024 ** 3;

/** The version, or why it is not to be had. */
export async function versionInTime(
  major: number,
  { milliseconds = THREE_MINUTES, bytes = GIGABYTE, directory = unpackedDirectory() }: Bounds = {},
): Promise<Postgres | string> {
  const timeout = AbortSignal.timeout(milliseconds);
  const signal = AbortSignal.any([timeout, ending]);
  const isLate = new Promise<string>((resolve) => {
    signal.addEventListener("abort", () => resolve(`not within ${milliseconds / 1000} s`));
  });
  const fetching = fetched(major, { bytes, directory, signal }).catch((error) => {
    return timeout.aborted ? isLate : firstLine(error);
  });
  return await Promise.race([fetching, isLate]); // it may be waiting for somebody else's lock
}

async function fetched(
  major: number,
  { bytes, directory, signal }: { bytes: number; directory: string; signal: AbortSignal },
): Promise<Postgres | string> {
  const here = await findPostgres(major, directory);
  if (here?.extensions.has("pg_cron")) return here;
  if (await freeBytes(directory) < bytes) return `there is no room for it in ${directory}`;
  const isThere = await unpackPostgres(major, () => {}, { directory, signal });
  if (!isThere) return "this machine's packages do not come from a mirror of Debian";
  return await findPostgres(major, directory) ?? "what was fetched does not run here";
}

/** What is free where a directory is to be made. */
async function freeBytes(directory: string): Promise<number> {
  const there = await statfs(directory).catch(() => undefined);
  if (there !== undefined) return there.bavail * there.bsize;
  const parent = directory.slice(0, directory.lastIndexOf("/"));
  return parent === "" ? 0 : await freeBytes(parent);
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0] ?? "";
}
