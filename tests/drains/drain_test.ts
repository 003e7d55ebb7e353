import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { dialledTest } from "../support/moves.ts";
import { openAlerts } from "../support/watch.ts";
import {
  billedMb,
  countOwnSize,
  drained,
  lastDrain,
  makeCritical,
  makeLetters,
  minute,
} from "../support/space.ts";
import { manage } from "../support/notes.ts";

const ROWS = 40_000;
const NEED = 8;
/** Nothing of these ever becomes due by itself. */
const KEEP = { core_retention_days: null, main_retention_days: null, delete_after_days: null };

async function idsOf(sql: Sql, table = "letters"): Promise<number[]> {
  const rows = await sql.unsafe<{ id: number }[]>(
    `select id::integer as id from public.${table} order by id`,
  );
  return rows.map(({ id }) => id);
}

dialledTest(
  "a critical core drains to its target: the oldest rows, no more than needed, none lost",
  async (chain) => {
    const { core, main } = chain;
    await makeLetters(core.sql, ROWS);
    await manage(core.sql, "public.letters", KEEP);
    await countOwnSize(core.sql);
    const target = await makeCritical(core.sql, "core", NEED);
    const before = await billedMb(core.sql);

    await core.sql`call strata.watch()`;
    assert.equal((await lastDrain(core.sql))?.state, "moving");
    const drain = await drained(chain.databases);

    assert.equal(drain.state, "done", drain.says ?? "");
    assert.match(drain.says ?? "", /^from \d+ MB to \d+ MB$/);
    const after = drain.mb ?? Infinity;
    assert.ok(after <= target * 1.02, `${after} MB, not ${target}`);
    const now = await billedMb(core.sql); // autovacuum writes into the catalog when it likes
    assert.ok(Math.abs(now - after) < 1, `${now} MB, ${after} when the drain was done`);
    assert.ok(
      before - after < NEED * 1.1 + 1,
      `${before - after} MB are gone, ${NEED} were needed`,
    );
    const [kept, gone] = [await idsOf(core.sql), await idsOf(main.sql)];
    assert.deepEqual([...gone, ...kept], Array.from({ length: ROWS }, (_, at) => at + 1));
    assert.equal(drain.moved, gone.length);

    await core.sql`call strata.watch()`;
    assert.deepEqual(await openAlerts(core.sql), []);
    const again = await core.sql`select from strata.drains`;
    assert.equal(again.length, 1);
  },
);

dialledTest(
  "a drain that main cannot serve raises the alarm, moves nothing, and goes on by itself",
  async (chain) => {
    const { core, main, driver } = chain;
    await makeLetters(core.sql, ROWS);
    await manage(core.sql, "public.letters", KEEP);
    await countOwnSize(core.sql);
    await makeCritical(core.sql, "core", NEED);
    await core.sql`call strata.watch()`;

    const dial = (port: string) =>
      core.sql.unsafe(`alter server strata_main options (set port '${port}')`);
    if (driver === "push") await dial("9");
    else await core.sql`update strata.links set joined_at = now() - interval '1 hour'`;
    for (let n = 0; n < 3; n += 1) await minute([core]);
    const blocked = async () =>
      (await openAlerts(core.sql)).find(({ kind }) => kind === "drain_blocked");
    assert.equal((await blocked())?.severity, "warning"); // it may be back in a moment
    await core.sql`update strata.alerts set first_seen_at = first_seen_at - interval '10 minutes'`;
    await minute([core]);
    const alert = await blocked();
    const why = driver === "push"
      ? /the link to main is down: .*08001/s
      : /main has not been heard/;
    assert.match(alert?.says ?? "", why);
    assert.equal(alert?.severity, "critical");
    assert.equal((await idsOf(core.sql)).length, ROWS);
    assert.equal((await lastDrain(core.sql))?.state, "moving");

    if (driver === "push") await dial(new URL(main.url).port);
    await main.sql`call strata.watchdog()`;
    await core.sql`update strata.links set next_try_at = null where next_try_at is not null`;
    assert.equal((await drained(chain.databases)).state, "done");
    assert.deepEqual(await openAlerts(core.sql), []);
    assert.equal((await idsOf(core.sql)).length + (await idsOf(main.sql)).length, ROWS);
  },
);

dialledTest(
  "a claim beside other moves does not wait for a drain that is being looked after",
  async ({ core, databases }) => {
    await makeLetters(core.sql, ROWS);
    await manage(core.sql, "public.letters", KEEP);
    await countOwnSize(core.sql);
    await core.sql`update strata.settings set value = 100 where name = 'batch_rows'`;
    await makeCritical(core.sql, "core", NEED);
    await core.sql`call strata.watch()`;
    await core.sql`select strata.begin_round(d) from strata.drains as d`;
    for (const { sql } of databases) await sql`call strata.move_due('0 seconds')`; // one batch
    const claim = async () => {
      const [batch] = await core.sql<{ status: string }[]>`
        select status from strata.claim('letters', 'main', array[gen_random_uuid()])`;
      return batch?.status;
    };
    await core.sql.begin(async (keeper) => {
      await keeper`select from strata.drains for update`;
      assert.equal(await claim(), "nothing");
    });
    assert.equal(await claim(), "claimed");
  },
);
