import assert from "node:assert/strict";
import postgres, { type Sql } from "postgres";
import { type Cluster, connectLocally } from "../../local/cluster.ts";
import { manage } from "../support/notes.ts";
import { type CronChain, cronChain } from "../support/own_stack.ts";
import { billedMb, counted, lastDrain, makeCritical, makeLetters } from "../support/space.ts";
import { waitFor } from "../support/wait_for.ts";
import { writer } from "../support/writer.ts";

const ROWS = 60_000;
const MINUTES = { timeoutMs: 600_000, everyMs: 1_000 };

/** A history of cron jobs that is nearly empty, and that nobody can cut the end off; what sizes say is free of it. */
async function bloatHistory(sql: Sql): Promise<number> {
  await sql`
    insert into cron.job_run_details (jobid, runid, command, status, start_time, end_time, return_message)
    select j.jobid, n - 30000, repeat('x', 200), 'succeeded', now() - interval '8 days', now() - interval '8 days', '1 row'
      from cron.job as j, generate_series(1, 20000) as n where j.jobname = 'strata-move'
    union all
    select j.jobid, -1, 'x', 'succeeded', now(), now(), '1 row' from cron.job as j where j.jobname = 'strata-move'`;
  await counted(sql, "select strata.prune()");
  const [history] = await sql<{ free: number }[]>`
    select reclaimable_bytes::float8 as free from strata.who_fills(50) where part = 'cron.job_run_details'`;
  const free = history?.free ?? 0;
  assert.ok(free > 4_000_000, `${free} bytes of the history could be given back`);
  return free;
}

/** What is done where the history may be emptied but not rewritten. */
async function historyIsCopied(sql: Sql): Promise<void> {
  const runs = () =>
    sql<
      { run: string }[]
    >`select d::text as run from cron.job_run_details as d where d.end_time is not null`;
  const before = await runs();
  const file = async () =>
    (await sql`select pg_relation_filenode('cron.job_run_details') as file`)[0]?.file;
  const old = await file();
  await waitFor(
    "the history to be free",
    () => sql`select strata.copy_job_runs()`.then(() => true, () => false),
  );
  assert.notEqual(await file(), old);
  const after = new Set((await runs()).map(({ run }) => run));
  assert.ok(before.length > 0 && before.every(({ run }) => after.has(run)));
}

function clusterOf({ stack }: CronChain, tier: string): Cluster {
  const cluster = stack.clusters.find((one) => one.tier === tier);
  if (cluster === undefined) throw new Error(`there is no ${tier}`);
  return cluster;
}

// All of it in one test: only a real pg_cron can run VACUUM for us, and each command waits for a minute.
Deno.test("pg_cron drains a read-only core while somebody writes, gives the space back, and lifts read-only", async () => {
  await using chain = await cronChain({ tiers: ["core", "main"], driver: "pull" });
  const { core, main } = chain;
  await makeLetters(core.sql, ROWS);
  await core.sql.unsafe(`
    create function public.touch() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger touch before update on public.letters for each row execute function public.touch()`);
  await manage(core.sql, "public.letters", {
    core_retention_days: null,
    main_retention_days: null,
    delete_after_days: null,
  });
  const free = await bloatHistory(core.sql);
  const target = await makeCritical(core.sql, "core", 18);
  // As the platform may do it. pg_cron cannot write its history any more, and core's jobs are dead.
  await core.sql.unsafe(`alter role postgres set default_transaction_read_only = on`);
  const platform = connectLocally(clusterOf(chain, "core"));
  await platform`alter system set default_transaction_read_only = on`;
  await platform`select pg_reload_conf()`;
  await platform.end();

  await using writing = writer(core.url, { perSecond: 4, lockTimeoutMs: 5_000 });
  await main.sql`call strata.watchdog()`; // main finds core critical, and its jobs come back to life
  await core.sql`call strata.go_on()`; // what strata-continue does from the next minute on
  await main.sql`call strata.move_due()`;
  const drain = await waitFor("the drain to end", async () => {
    const found = await lastDrain(core.sql);
    return found !== undefined && !["moving", "reclaiming"].includes(found.state)
      ? found
      : undefined;
  }, MINUTES);
  const written = await writing.stop();

  const reclaims = await core.sql`
    select relation, method, state, locked_ms::integer, says, (bytes_before - bytes_after)::float8 as given
      from strata.reclaims order by reclaim_id`;
  assert.equal(drain.state, "done", drain.says ?? "");
  assert.match(drain.says ?? "", /; new sessions may write again$/);
  assert.ok(await billedMb(core.sql) <= target * 1.1);
  const rewritten = reclaims.filter(({ method, state }) =>
    method === "rewrite" && state === "done"
  );
  assert.deepEqual([...new Set(rewritten.map(({ relation }) => relation))].sort(), [
    "cron.job_run_details",
    "public.letters",
  ]);
  const history = rewritten.find(({ relation }) => relation === "cron.job_run_details");
  assert.ok(history?.given > free * 0.8, `${history?.given} bytes of ${free}`);
  await historyIsCopied(core.sql);

  assert.deepEqual(written.errors, []);
  assert.ok(written.longestMs < 5_000, `${written.longestMs} ms`);
  const [on] = await core.sql`select count(*)::integer as n from public.letters`;
  const [gone] = await main.sql`select count(*)::integer as n from public.letters`;
  assert.equal(on?.n + gone?.n, ROWS + written.rows);
  const fresh = postgres(core.url, { max: 1 });
  await fresh`insert into public.letters values (-1, now(), 'written by somebody new')`;
  await fresh.end();
});
