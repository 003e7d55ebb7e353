import { connectLocally, start, stop } from "../local/cluster.ts";
import type { TestChain } from "../tests/support/chain.ts";
import type { TestDatabase } from "../tests/support/database.ts";
import { testCluster, testStack } from "../tests/support/stack.ts";
import { countLetters } from "./letters.ts";

/** In which circumstances a core is when it becomes critical. */
export const DRAIN_CASES = ["plain", "writing", "read-only", "main-down"] as const;
/** One of them. */
export type DrainCase = typeof DRAIN_CASES[number];

/**
 * What opens the drain: core's own look at its size, or, where core is read-only and the jobs of its
 * pg_cron are dead, the heartbeat of main. Main's server is stopped before where it shall be down.
 */
export async function openDrain({ core, main }: TestChain, circumstances: DrainCase) {
  if (circumstances === "main-down") {
    await stop((await testStack()).servers.main, await testCluster("main"));
  }
  if (circumstances === "read-only") await main.sql`call strata.watchdog()`;
  else await core.sql`call strata.watch()`;
}

/** Three minutes without main; starts it again and returns the alarm that core raised. */
export async function whileMainIsDown({ core, main }: TestChain): Promise<string> {
  const rows = await countLetters(core.sql);
  for (let minutes = 0; minutes < 3; minutes += 1) await core.sql`call strata.go_on()`;
  const [alarm] = await core.sql<{ says: string }[]>`
    select says from strata.alerts where kind = 'drain_blocked' and cleared_at is null`;
  if (alarm === undefined) throw new Error("nobody was told that main is down");
  const moved = rows - await countLetters(core.sql);
  if (moved !== 0) throw new Error(`${moved} rows have left core while main was down`);
  await start((await testStack()).servers.main, await testCluster("main"));
  if (await countTables(main) !== 0) throw new Error("main has rows that core still has");
  await core.sql`update strata.links set next_try_at = null`; // the minutes until it is dialled again
  return alarm.says;
}

async function countTables({ sql }: TestDatabase): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::integer as n from pg_class where oid = to_regclass('public.letters')`;
  return row?.n ?? 0;
}

/** Does something while core's whole server is read-only, as the platform makes it; a new session may write after it. */
export async function whileReadOnly<Result>(
  core: TestDatabase,
  work: () => Promise<Result>,
): Promise<Result> {
  const platform = connectLocally(await testCluster("core"));
  await platform`alter system set default_transaction_read_only = on`;
  await platform`select pg_reload_conf()`;
  try {
    const [refused] = await core
      .connect()`insert into public.letters values (gen_random_uuid(), now(), '')`
      .then(() => [], (error) => [error]);
    if (refused === undefined) throw new Error("core is not read-only");
    const result = await work();
    await core
      .connect()`insert into public.letters values (gen_random_uuid(), now(), 'written again')`;
    return result;
  } finally {
    await platform`set default_transaction_read_only = off`;
    await platform`alter system reset default_transaction_read_only`;
    await platform`select pg_reload_conf()`;
    await platform.end();
  }
}
