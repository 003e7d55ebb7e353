import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { dialledTest, type MoveChain, THREE_TIERS } from "../support/moves.ts";
import { testChain } from "../support/chain.ts";
import { manage } from "../support/notes.ts";
import {
  billedMb,
  counted,
  countOwnSize,
  drained,
  lastDrain,
  makeCritical,
  makeLetters,
  minute,
} from "../support/space.ts";
import { waitFor } from "../support/wait_for.ts";
import { openAlerts } from "../support/watch.ts";

const KEEP = { core_retention_days: null, main_retention_days: null, delete_after_days: null };

async function chain(): Promise<MoveChain> {
  const made = await testChain({ tiers: ["core", "main"], driver: "push" });
  await countOwnSize(made.core.sql);
  return Object.assign(made, { driver: "push" as const });
}

async function ids(sql: Sql, table: string): Promise<number[]> {
  const [there] = await sql<{ there: boolean }[]>`
    select to_regclass(${`public.${table}`}) is not null as there`;
  if (there?.there !== true) return [];
  const rows = await sql.unsafe<{ id: number }[]>(
    `select id::integer as id from public.${table} order by id`,
  );
  return rows.map(({ id }) => id);
}

Deno.test("a drain passes over rows that are held, not ready, referenced or without an age", async () => {
  await using tiers = await chain();
  const { core, main } = tiers;
  await makeLetters(core.sql, 12_000);
  await counted(
    core.sql,
    "alter table public.letters alter column created_at drop not null",
    "update public.letters set body = 'open ' || body where id % 10 = 1",
    "update public.letters set created_at = null where id % 10 = 2",
    "create table public.answers (id bigint primary key, letter bigint references public.letters)",
    "insert into public.answers select id, id from public.letters where id % 10 = 3",
    "create index on public.answers (letter)",
    "vacuum (full, analyze) public.letters",
  );
  await manage(core.sql, "public.letters", { ...KEEP, due_when: "body not like 'open %'" });
  await core
    .sql`select strata.hold('letters', p_condition => 'id % 10 = 4', p_reason => 'a dispute')`;
  await makeCritical(core.sql, "core", 4.5); // more than there is to give

  await core.sql`call strata.watch()`;
  const drain = await drained(tiers.databases);
  assert.equal(drain.state, "exhausted");
  assert.deepEqual(
    [...new Set((await ids(core.sql, "letters")).map((id) => id % 10))].sort(),
    [1, 2, 3, 4],
  );
  assert.equal((await ids(main.sql, "letters")).length, 7_200);
});

Deno.test("a drain takes the dataset with the lowest priority number first, among equals the oldest rows", async () => {
  await using tiers = await chain();
  const { core, main } = tiers;
  for (const table of ["first", "newer"]) await makeLetters(core.sql, 8_000, table);
  await makeLetters(core.sql, 8_000, "older", 4);
  for (const table of ["first", "newer", "older"]) await manage(core.sql, `public.${table}`, KEEP);
  await core.sql`update strata.datasets set priority = 1 where name = 'first'`;
  await makeCritical(core.sql, "core", 6.3);

  await core.sql`call strata.watch()`;
  assert.equal((await drained(tiers.databases)).state, "done");
  assert.equal((await ids(main.sql, "first")).length, 8_000);
  const [older, newer] = [await ids(main.sql, "older"), await ids(main.sql, "newer")];
  // 8,000 minutes are five and a half days: the oldest three days are all of one table
  assert.ok(
    older.length > 2_000 && newer.length < older.length / 2,
    `${older.length}, ${newer.length}`,
  );
  assert.deepEqual(older, Array.from(older, (_, at) => at + 1));
});

Deno.test("a critical core with no colder tier gives back what it can, and names what fills it", async () => {
  await using tiers = await testChain({ tiers: ["core"] });
  const { core } = tiers;
  await countOwnSize(core.sql);
  await makeLetters(core.sql, 12_000);
  await makeLetters(core.sql, 4_000, "hoard");
  await manage(core.sql, "public.letters", KEEP);
  await counted(core.sql, "delete from public.letters where id <= 4000");
  await makeCritical(core.sql, "core", 5);
  await core.sql`call strata.watch()`;
  assert.equal((await drained(tiers.databases)).state, "exhausted");
  assert.equal((await lastDrain(core.sql))?.says, "there is no colder tier");
  const [given] = await core.sql`
    select (bytes_before - bytes_after)::float8 as bytes from strata.reclaims where state = 'done'`;
  assert.ok(given?.bytes > 1_500_000);

  // still critical: it is said once, and not tried again at once
  await core.sql`select strata.set_tier('core', p_warn_mb => 10, p_critical_mb => 11)`;
  await core.sql`delete from strata.drains where true`;
  await core.sql`call strata.watch()`;
  await drained(tiers.databases);
  await core.sql`call strata.watch()`;
  assert.equal((await core.sql`select from strata.drains`).length, 1);
  const [alert] = (await openAlerts(core.sql)).filter(({ kind }) => kind === "nothing_movable");
  assert.match(
    alert?.says ?? "",
    /there is no colder tier. It is filled by .*letters \(.*public\.hoard \(/,
  );
  await core
    .sql`select strata.set_tier('core', p_warn_mb => 400, p_critical_mb => 450, p_capacity_mb => 500)`;
  await core.sql`call strata.watch()`;
  assert.deepEqual((await openAlerts(core.sql)).map(({ kind }) => kind), []);
});

dialledTest("main drains to the archive as core drains to main", async (tiers) => {
  const { main, archive } = tiers;
  await countOwnSize(main.sql);
  await makeLetters(main.sql, 12_000);
  await manage(main.sql, "public.letters", KEEP);
  await makeCritical(main.sql, "main", 4);
  await main.sql`call strata.watch()`;
  assert.equal((await drained([main, archive])).state, "done");
  const gone = await ids(archive.sql, "letters");
  assert.ok(gone.length > 6_000 && gone.length < 11_000, `${gone.length}`);
  assert.equal(gone.length + (await ids(main.sql, "letters")).length, 12_000);
}, { tiers: THREE_TIERS });

Deno.test("a drain is stopped by a person, and the bill is left as it is", async () => {
  await using tiers = await chain();
  const { core, main } = tiers;
  await makeLetters(core.sql, 8_000);
  await manage(core.sql, "public.letters", KEEP);
  await makeCritical(core.sql, "core", 3);
  await core.sql`call strata.watch()`;
  assert.deepEqual([...await core.sql`select strata.stop_drain() as stopped`], [{ stopped: true }]);
  for (const { sql } of tiers.databases) await sql`call strata.go_on()`;
  await core.sql`call strata.watch()`;
  assert.equal((await lastDrain(core.sql))?.state, "stopped");
  assert.deepEqual(await ids(main.sql, "letters"), []);
});

Deno.test("a drain that is stopped while a job tends it is stopped, and the job goes on", async () => {
  await using tiers = await chain();
  const { core } = tiers;
  await makeLetters(core.sql, 8_000);
  await manage(core.sql, "public.letters", KEEP);
  await makeCritical(core.sql, "core", 3);
  await core.sql`call strata.watch()`;
  const person = await core.connect({ max: 1 }).reserve();
  await person`begin`;
  await person`select strata.stop_drain()`;
  const job = core.sql`call strata.go_on()`.execute();
  await waitFor("the job to have met the person, or to have passed by", async () => {
    const [met] = await core.sql`
      select (select count(*) from pg_stat_activity as a
               where a.datname = current_database() and a.query like 'call strata.go_on()%'
                 and (a.state = 'idle' or a.wait_event_type = 'Lock')) > 0 as met`;
    return met?.met === true;
  });
  await person`commit`;
  person.release();
  await job;
  assert.equal((await lastDrain(core.sql))?.state, "stopped");
});

Deno.test("a drain waits for the transactions that keep the room of the rows that left", async () => {
  await using tiers = await chain();
  const { core, main } = tiers;
  await makeLetters(core.sql, 12_000);
  await manage(core.sql, "public.letters", KEEP);
  await makeCritical(core.sql, "core", 4);
  const before = await billedMb(core.sql);
  const [reader, writer] = [await core.connect().reserve(), await core.connect().reserve()];
  await reader`begin isolation level repeatable read`;
  await reader`select 1 from public.letters limit 1`;
  await writer`begin`;
  await writer`insert into public.letters values (-1, now(), 'not committed yet')`;
  await core.sql`call strata.watch()`;
  for (let n = 0; n < 3; n += 1) await minute(tiers.databases);

  const waiting = await lastDrain(core.sql);
  assert.equal(`${waiting?.state} ${waiting?.round}`, "reclaiming 1");
  assert.match(
    waiting?.says ?? "",
    /^waits for a transaction of postgres .*, a transaction of postgres /,
  );
  const [alert] = (await openAlerts(core.sql)).filter(({ kind }) => kind === "drain_blocked");
  assert.match(alert?.says ?? "", /the room of rows that have left it is kept by a transaction of/);
  const moved = (await ids(main.sql, "letters")).length;
  assert.ok(moved > 0);
  assert.deepEqual([...await core.sql`select from strata.reclaims`], []);
  await reader`commit`;
  await minute(tiers.databases);
  assert.match((await lastDrain(core.sql))?.says ?? "", /^waits for a transaction of [^,]*$/);

  await writer`rollback`;
  const drain = await drained(tiers.databases);
  assert.equal(drain.state, "done", drain.says ?? "");
  assert.ok((await ids(main.sql, "letters")).length < moved * 1.4); // Strata's own tables are a part of so small a bill
  assert.ok(await billedMb(core.sql) < before - 3.5);
  assert.deepEqual(await openAlerts(core.sql), []);
  for (const session of [reader, writer]) session.release();
});

Deno.test("an exhausted drain names the transaction that keeps the room of deleted rows", async () => {
  await using tiers = await chain();
  const { core } = tiers;
  await makeLetters(core.sql, 12_000);
  await manage(core.sql, "public.letters", KEEP);
  await makeCritical(core.sql, "core", 4);
  await core.sql`update strata.settings set value = 2 where name = 'drain_rounds'`;
  await core.sql`update strata.settings set value = 1 where name = 'reclaim_attempts'`;
  const reader = await core.connect({ max: 1 }).reserve();
  await reader`begin isolation level repeatable read`;
  await reader`select 1 from public.letters limit 1`;
  await core.sql`call strata.watch()`;
  for (let round = 0; round < 2; round += 1) {
    for (let n = 0; n < 3; n += 1) await minute(tiers.databases);
    await core.sql`update strata.drains set waits_since = waits_since - interval '1 hour'`;
  }
  assert.equal((await drained(tiers.databases)).state, "exhausted");
  const alert = (await openAlerts(core.sql)).find(({ kind }) => kind === "nothing_movable");
  assert.match(
    alert?.says ?? "",
    /\. The room of deleted rows is kept by a transaction of postgres since /,
  );
  await reader`commit`;
  reader.release();

  // freed now, and asked for again: next to nothing more has to leave for it
  const gone = (await ids(tiers.main.sql, "letters")).length;
  await core.sql`select strata.open_drain()`;
  assert.equal((await drained(tiers.databases)).state, "done");
  const more = (await ids(tiers.main.sql, "letters")).length - gone;
  assert.ok(more < gone / 10, `${more} after ${gone}`);
});
