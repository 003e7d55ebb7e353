import postgres from "postgres";
import type { StackOptions, Tier } from "../../local/settings.ts";
import { TIERS } from "../../local/settings.ts";
import { removeStack, type RunningStack, status, up, type UpOptions } from "../../local/stack.ts";
import { type Chain, type ChainOptions, formChain, type Link } from "./chain.ts";
import { type Content, copyStack, homeOfPrepared, preparedStack } from "./copied_stack.ts";
import { passwordOfLinks, type Place, TEST_STACK } from "./stack.ts";

/** A stack that belongs to one test: up from nothing, gone at the end of the block. */
export interface OwnStack extends RunningStack, AsyncDisposable {
  /** What to hand to `up`, `down` and `status` to mean this stack. */
  where: Place;
}

/** What an own stack may be told beside what `up` is. */
export interface OwnStackOptions extends UpOptions {
  /** What is there when it begins. */
  content?: Content;
}

/** Brings up a stack for one test alone, which may therefore kill servers and read real cron. */
export async function ownStack(
  home?: string,
  { content = "empty", inMemory = true, ...options }: OwnStackOptions = {},
): Promise<OwnStack> {
  const portBase = freePortBase();
  const where = { home: home ?? `${TEST_STACK.home}/own-${portBase}`, portBase };
  const dispose = () => removeOwnStack(where);
  try {
    await copyStack(await preparedStack(content, portBase), where, inMemory);
    return { ...await up({ ...where, ...options }), where, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** A chain of databases `postgres`, on servers of its own, where pg_cron really runs. */
export interface CronChain extends Chain<Link> {
  stack: OwnStack;
}

/**
 * Makes a chain as `setup` would: migrated, linked, with its jobs scheduled in pg_cron; with `projects`
 * also served: REST, functions, and the secrets by which pg_net finds them.
 */
export async function cronChain(
  { tiers = TIERS, driver = "push", projects = false }: ChainOptions & { projects?: boolean } = {},
): Promise<CronChain> {
  const stack = await ownStack(undefined, { projects, content: "migrated" });
  const password = passwordOfLinks(stack);
  const databases = await Promise.all(tiers.map((tier) => openTier(stack, tier)));
  const dispose = async () => {
    await Promise.all(databases.map(({ sql }) => sql.end({ timeout: 1 })));
    await stack[Symbol.asyncDispose]();
  };
  return Object.assign(await formChain(databases, driver, password, dispose), { stack });
}

/** Removes the stacks that tests' own ones are copied from, and those of tests that were cut off. */
export async function removeOwnStacks(of: StackOptions = TEST_STACK): Promise<void> {
  const { home } = (await status(of)).stack;
  const entries = await Array.fromAsync(Deno.readDir(home)).catch(() => []);
  for (const { name } of entries) {
    const portBase = /^own-(\d+)$/.exec(name)?.[1];
    if (portBase === undefined) continue;
    await removeOwnStack({ home: `${home}/${name}`, portBase: Number(portBase) });
  }
  for (const content of ["empty", "migrated"] as const) {
    await removeOwnStack({ home: homeOfPrepared(content, home) });
  }
}

async function removeOwnStack(where: StackOptions): Promise<void> {
  await removeStack(where);
  await Deno.remove((await status(where)).stack.home, { recursive: true }).catch(() => {});
}

function openTier({ env }: OwnStack, tier: Tier): Link {
  const url = env[`STRATA_${tier.toUpperCase()}_DB_URL`] ?? "";
  const connection = { search_path: "pg_catalog", lock_timeout: 20_000 };
  return { tier, url, sql: postgres(url, { connection, max: 2, onnotice: () => {} }) };
}

/** Ports below the range from which the system itself takes them, free a moment ago. */
function freePortBase(): number {
  while (true) {
    const base = 20_000 + 20 * Math.floor(Math.random() * 600);
    if ([1, 2, 3, 11, 12, 13].every((more) => isFree(base + more))) return base;
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
