import { statfs } from "node:fs/promises";
import { type Cluster } from "./cluster.ts";
import { makeServerDirectory, serverCanEnter } from "./server_user.ts";
import { databasePort, type Stack, TIERS } from "./settings.ts";

/** A Unix socket's path has at most 107 bytes; below the data come `/archive/socket/.s.PGSQL.55433`. */
const LONGEST_DATA_PATH = 107 - "/archive/socket/.s.PGSQL.55433".length;

/** Takes the stack for oneself until the returned file is closed; two `up`s go one by one. */
export async function lockHome(stack: Stack): Promise<Deno.FsFile> {
  await Deno.mkdir(stack.home, { recursive: true });
  const file = await Deno.open(`${stack.home}/lock`, { create: true, write: true });
  await file.lock(true);
  return file;
}

/** The stack's data directory, free of symbolic links; `undefined` before the first `up`. */
export async function findData(stack: Stack): Promise<string | undefined> {
  try {
    return await Deno.realPath(`${stack.home}/data`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A directory whose files are kept in memory, where the system has one. */
const MEMORY = "/dev/shm";
/** Three servers with a log of a few hundred MB each, and as much again to spare. */
const ENOUGH_MEMORY = 4 * 1024 ** 3;

/**
 * The stack's data directory, made when there is none. It lies in the stack's home, or, where the
 * servers' user cannot enter that or its path is too long for a socket, below /var/tmp with a
 * symbolic link in its place; `inMemory` asks for the same below /dev/shm, where there is room.
 */
export async function makeData(stack: Stack, inMemory: boolean): Promise<string> {
  const found = await findData(stack);
  if (found !== undefined) return found;

  const inside = `${await Deno.realPath(stack.home)}/data`;
  await Deno.remove(inside).catch(() => {}); // a link to data that somebody removed
  const useMemory = inMemory && await hasFreeMemory();
  const mayBeInside = inside.length <= LONGEST_DATA_PATH && await serverCanEnter(stack.home);
  if (!useMemory && mayBeInside) {
    await makeServerDirectory(inside);
    return inside;
  }
  const dir = useMemory ? MEMORY : "/var/tmp";
  const outside = await Deno.makeTempDir({ dir, prefix: "strata-" });
  await makeServerDirectory(outside);
  await Deno.symlink(outside, inside);
  return outside;
}

/** Whether a stack's data may lie in memory: there is such a directory, and room. */
export async function hasFreeMemory(): Promise<boolean> {
  const there = await statfs(MEMORY).catch(() => undefined); // not every system has it
  if (there === undefined || there.bavail * there.bsize < ENOUGH_MEMORY) return false;
  return Deno.systemMemoryInfo().available >= ENOUGH_MEMORY;
}

/** Removes the data directory, wherever it lies. */
export async function removeData(stack: Stack): Promise<void> {
  const data = await findData(stack);
  if (data === undefined) return;
  await Deno.remove(data, { recursive: true });
  await Deno.remove(`${stack.home}/data`).catch(() => {}); // it was the same directory, or a link
}

/** The three servers of a stack, hottest first. */
export function clustersOf(stack: Stack, data: string): Cluster[] {
  return TIERS.map((tier) => ({
    tier,
    port: databasePort(stack, tier),
    directory: `${data}/${tier}`,
  }));
}
