import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { connectLocally } from "../../local/cluster.ts";
import { testDatabase } from "../support/database.ts";
import { manage } from "../support/notes.ts";
import { counted, countOwnSize, makeLetters, reclaimAll } from "../support/space.ts";
import { testCluster } from "../support/stack.ts";
import { waitFor } from "../support/wait_for.ts";
import { becomes, MB } from "../support/watch.ts";

const NIGHT = "2026-07-05T03:00:00Z";
const DAY = "2026-07-05T12:00:00Z";

/** A core with a table of some 20 MB that Strata manages. */
async function core(rows = 40_000) {
  const db = await testDatabase("core");
  await becomes(db.sql, "core");
  await countOwnSize(db.sql);
  await makeLetters(db.sql, rows);
  await manage(db.sql, "public.letters");
  const write = (statement: string) => counted(db.sql, statement);
  return Object.assign(db, { write });
}

async function sizeOf(sql: Sql, table = "public.letters"): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`
    select pg_total_relation_size(${table}::text::regclass)::float8 as bytes`;
  return row?.bytes ?? 0;
}

async function planned(sql: Sql) {
  const rows = await sql<{ relation: string; method: string; gain: number }[]>`
    select relation, method, gain_bytes::float8 as gain from strata.plan_reclaims(true)`;
  return rows.map((row) => ({ ...row }));
}

async function log(sql: Sql) {
  const rows = await sql<
    {
      relation: string;
      method: string;
      state: string;
      given: number;
      locked_ms: number;
      says: string | null;
    }[]
  >`select relation, method, state, (bytes_before - bytes_after)::float8 as given,
           locked_ms::integer, says from strata.reclaims order by reclaim_id`;
  return rows.map((row) => ({ ...row }));
}

/** What `monitor sizes` says could be given back of a part, in bytes. */
async function named(sql: Sql, part: string): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`
    select reclaimable_bytes::float8 as bytes from strata.who_fills(50) where part = ${part}`;
  return row?.bytes ?? 0;
}

/** Reclaims what is planned and says that it was one table, this way, and gave back what was foretold. */
async function assertGivenBack(sql: Sql, relation: string, method: string) {
  const [plan] = await planned(sql);
  assert.equal(`${plan?.relation} ${plan?.method}`, `${relation} ${method}`);
  assert.equal(await named(sql, "letters"), plan?.gain);
  // Postgres' own workers may look at a new database, too
  await waitFor("nobody to see the rows that are gone", async () => {
    const [seen] = await sql`select strata.what_pins(pg_current_xact_id()) as by`;
    return seen?.by === null;
  });
  await sql`select strata.queue_reclaims('asked')`;
  await reclaimAll(sql);
  const [done] = await log(sql);
  assert.equal(done?.state, "done", done?.says ?? "");
  const [given, foretold] = [done?.given ?? 0, plan?.gain ?? 0];
  assert.ok(Math.abs(given - foretold) < foretold * 0.15, `${given} instead of ${foretold} bytes`);
  assert.deepEqual(await planned(sql), []);
  return done;
}

Deno.test("rows gone from the front: the table is packed, nobody is locked out", async () => {
  await using db = await core();
  await db.write("delete from public.letters where id <= 15000");
  const before = await db
    .sql`select md5(string_agg(t::text, '' order by id)) from public.letters as t`;
  const done = await assertGivenBack(db.sql, "public.letters", "pack");
  assert.equal(done?.locked_ms, 0);
  const after = await db
    .sql`select md5(string_agg(t::text, '' order by id)) from public.letters as t`;
  assert.deepEqual([...after], [...before]);
  const packed = await sizeOf(db.sql);
  await db.sql`vacuum full public.letters`;
  assert.ok(packed < await sizeOf(db.sql) * 1.1, `${packed} bytes`);
});

Deno.test("rows that are left alone on a page, with much room beside them, are packed too", async () => {
  await using db = await core();
  // the last of them on a page of its own each; small enough to find room there many times over
  await db.write("update public.letters set body = '' where id > 19000 and id % 100 = 0");
  await db.write(
    "delete from public.letters where id > 1000 and not (id > 19000 and id % 100 = 0)",
  );
  await assertGivenBack(db.sql, "public.letters", "pack");
  const packed = await sizeOf(db.sql);
  await db.sql`vacuum full public.letters`;
  assert.ok(packed < await sizeOf(db.sql) * 1.2, `${packed} bytes`);
});

for (
  const [when, pieces] of [["before its rows are moved", 0], ["between two pieces", 1]] as const
) {
  Deno.test(`a table that shrinks below the place it is packed to, ${when}, is done`, async () => {
    await using db = await core();
    await db.write("delete from public.letters where id <= 15000");
    await db.sql`select strata.queue_reclaims('asked')`;
    await db.sql`select strata.begin_reclaim(pg_backend_pid()::text)`;
    const step = async () => {
      const [next] = await db.sql<{ step: string | null }[]>`
        select strata.reclaim_step(r.reclaim_id) as step from strata.reclaims as r
         where r.state = 'running'`;
      return next?.step;
    };
    assert.match(await step() ?? "", /^vacuum/);
    const ran = () => db.sql`select strata.reclaim_ran(r.reclaim_id) from strata.reclaims as r`;
    await ran();
    for (let piece = 0; piece < pieces; piece += 1) assert.equal(await step(), "");
    await db.sql`vacuum full public.letters`;
    for (let next = await step(); next !== undefined; next = await step()) {
      if (next !== "") {
        await ran();
      }
    }
    const [done] = await log(db.sql);
    assert.equal(`${done?.method} ${done?.state} ${done?.says}`, "pack done null");
  });
}

Deno.test("rows gone from the end: plain vacuum cuts it off", async () => {
  await using db = await core();
  await db.write("delete from public.letters where id > 20000");
  await assertGivenBack(db.sql, "public.letters", "vacuum");
});

Deno.test("an update trigger, a rule or a subscriber: the table is rewritten instead of packed", async () => {
  await using db = await core();
  await db.sql.unsafe(`
    create function public.touch() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger touch before update on public.letters for each row execute function public.touch()`);
  await db.write("delete from public.letters where id <= 15000");
  const done = await assertGivenBack(db.sql, "public.letters", "rewrite");
  assert.ok((done?.locked_ms ?? 0) > 0);

  const column = async () => (await db.sql`select strata.pack_column('public.letters') as c`)[0]?.c;
  assert.equal(await column(), null);
  await db.sql`drop trigger touch on public.letters`;
  assert.equal(await column(), "created_at");
  await db.sql`create publication everything for table public.letters`;
  assert.equal(await column(), null);
});

Deno.test("where triggers may be silenced, a table that has one is packed, and the trigger sees nothing", async () => {
  await using db = await core(10_000);
  const server = connectLocally(await testCluster("core"));
  await server`grant set on parameter session_replication_role to postgres`;
  try {
    await db.sql.unsafe(`
      create function public.touch() returns trigger language plpgsql as
        $$ begin new.body := 'touched'; return new; end $$;
      create trigger touch before update on public.letters for each row execute function public.touch()`);
    await db.write("delete from public.letters where id <= 5000");
    await assertGivenBack(db.sql, "public.letters", "pack");
    const touched = await db.sql`select from public.letters where body = 'touched'`;
    assert.equal(touched.length, 0);
    await db.sql`update public.letters set id = id where id = 6000`;
    assert.equal((await db.sql`select from public.letters where body = 'touched'`).length, 1);
    await db.sql`alter table public.letters enable always trigger touch`;
    const [column] = await db.sql`select strata.pack_column('public.letters') as name`;
    assert.equal(column?.name, null);
  } finally {
    await server`revoke set on parameter session_replication_role from postgres`;
    await server.end();
  }
});

Deno.test("bloated indexes are made anew while everybody goes on", async () => {
  await using db = await core(60_000);
  await db.sql`vacuum full public.letters`;
  for (let n = 0; n < 4; n += 1) {
    await db.write(
      "update public.letters set id = id + 1000000, created_at = created_at + interval '1 s'",
    );
    await db.write("vacuum public.letters");
  }
  await db.write("vacuum (full, analyze) public.letters");
  await db.write(
    "insert into public.letters select -id, created_at - interval '1 year', '' from public.letters",
  );
  await db.write("delete from public.letters where id < 0");
  await db.write("vacuum (analyze) public.letters");
  const [plan] = await planned(db.sql);
  assert.equal(plan?.method, "reindex");
  const done = await assertGivenBack(db.sql, "public.letters", "reindex");
  assert.equal(done?.locked_ms, 0);
});

Deno.test("bloated TOAST: the table is rewritten", async () => {
  await using db = await core(10);
  await db.sql`alter table public.letters alter column body set storage external`;
  await db.write(`insert into public.letters
    select n, now(), repeat(md5(n::text), 250) from generate_series(100, 1500) as n`);
  await db.write("vacuum (analyze) public.letters");
  await db.write("delete from public.letters where id between 100 and 900");
  await assertGivenBack(db.sql, "public.letters", "rewrite");
});

Deno.test("upkeep plans what is large enough, for the night; urgency plans all over a megabyte, at once", async () => {
  await using db = await core();
  await db.freezeClock(DAY);
  await db.write("delete from public.letters where id <= 5000");
  await db.sql`call strata.upkeep()`;
  assert.deepEqual(await log(db.sql), []);
  await db.sql`update strata.settings set value = 2 where name = 'reclaim_min_mb'`;
  await db.sql`update strata.settings set value = 5 where name = 'reclaim_min_percent'`;
  await db.sql`call strata.upkeep()`;
  await db.sql`call strata.upkeep()`;
  await reclaimAll(db.sql);
  assert.deepEqual((await log(db.sql)).map(({ state }) => state), ["planned"]);
  const [plan] = await db.sql`select dataset, action, bytes_now::float8 as bytes from strata.plan()
    where action = 'reclaim'`;
  assert.equal(plan?.dataset, "letters");
  assert.ok(plan?.bytes > 2 * MB);
  await db.freezeClock(NIGHT);
  await reclaimAll(db.sql);
  assert.deepEqual((await log(db.sql)).map(({ state }) => state), ["done"]);
});

Deno.test("the hours in which space is given back may lie around midnight", async () => {
  await using db = await testDatabase("core");
  await db.sql`update strata.settings set value = 22 where name = 'reclaim_from_hour'`;
  await db.sql`update strata.settings set value = 4 where name = 'reclaim_until_hour'`;
  const hours: number[] = [];
  for (let hour = 0; hour < 24; hour += 1) {
    await db.freezeClock(`2026-07-05T${String(hour).padStart(2, "0")}:30:00Z`);
    const [now] = await db.sql`select strata.is_reclaim_hour() as may`;
    if (now?.may) hours.push(hour);
  }
  assert.deepEqual(hours, [0, 1, 2, 3, 22, 23]);
});

Deno.test("one reclaim at a time, the largest gain first", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  for (const [name, gain] of [["a", 2], ["b", 3], ["c", 1]] as const) {
    await db.sql.unsafe(`create table public.${name} (id integer)`);
    await db.sql`
      insert into strata.reclaims (relation, method, reason, state, steps, gain_bytes, copy_bytes, planned_at)
      values (${`public.${name}`}, 'vacuum', 'asked', 'planned', ${[
      `vacuum public.${name}`,
    ]}, ${gain}, 0, now())`;
  }
  const session = db.connect({ max: 2 });
  const begun: string[] = [];
  for (let n = 0; n < 3; n += 1) {
    const [first] = await db.sql`select reclaim_id, relation from strata.begin_reclaim('cron')`;
    const [second] = await session`select reclaim_id from strata.begin_reclaim('cron')`;
    assert.equal(second?.reclaim_id, null);
    begun.push(first?.relation);
    await db
      .sql`select strata.end_reclaim(r, 'done', null) from strata.reclaims as r where state = 'running'`;
  }
  assert.deepEqual(begun, ["public.b", "public.a", "public.c"]);
});

Deno.test("without room for a copy nothing is rewritten, and the log says so", async () => {
  await using db = await core();
  await db.sql`create rule quiet as on update to public.letters do also nothing`;
  await db.write("delete from public.letters where id <= 15000");
  await db.sql`select strata.set_tier('core', 24, 10, 20)`;
  await db.sql`select strata.queue_reclaims('asked')`;
  const before = await sizeOf(db.sql);
  await reclaimAll(db.sql);
  const [attempt] = await log(db.sql);
  assert.equal(attempt?.state, "no room");
  assert.match(attempt?.says ?? "", /a copy of \d+ MB does not fit/);
  assert.equal(await sizeOf(db.sql), before);
});

Deno.test("a rewrite gives way to whoever uses the table, is tried again, and is left after three attempts", async () => {
  await using db = await core();
  await db.sql`create rule quiet as on update to public.letters do also nothing`;
  await db.write("delete from public.letters where id <= 15000");
  await db.sql`update strata.settings set value = 1 where name = 'reclaim_wait'`;
  await db.sql`select strata.queue_reclaims('asked')`;
  await db.sql.begin(async (user) => {
    await user`select from public.letters limit 1`;
    await reclaimAll(db.sql);
  });
  const attempts = await log(db.sql);
  assert.deepEqual(attempts.map(({ state }) => state), ["gave way", "gave way", "gave way"]);
  await db.sql`select strata.queue_reclaims('asked')`;
  await reclaimAll(db.sql);
  assert.equal((await log(db.sql)).at(-1)?.state, "done");
});

Deno.test("an interrupted reindex leaves no index behind", async () => {
  await using db = await core();
  await db.sql`create index letters_pkey_ccnew on public.letters (id)`;
  await db.sql`
    insert into strata.reclaims (relation, method, reason, state, steps, gain_bytes, copy_bytes, planned_at)
    values ('public.letters', 'reindex', 'asked', 'planned', '{select 1/0}', 1, 1, now())`;
  const indexes = await db.sql`select from pg_index where indrelid = 'public.letters'::regclass`;
  await db.sql`select strata.drop_invalid_indexes('public.letters')`; // it is valid: somebody's own
  const left = await db.sql`select from pg_index where indrelid = 'public.letters'::regclass`;
  assert.equal(left.length, indexes.length);
  await reclaimAll(db.sql);
  assert.deepEqual((await log(db.sql)).map(({ state }) => state), ["failed", "failed", "failed"]);
  assert.match((await log(db.sql))[0]?.says ?? "", /division by zero/);
});

Deno.test("a rewrite is cancelled for whoever has waited too long, and done later", async () => {
  await using db = await core(10_000);
  await db.sql`create rule quiet as on update to public.letters do also nothing`;
  await db.sql.unsafe(`
    create function public.pause(bigint) returns bigint language plpgsql immutable as
      $$ begin perform pg_advisory_xact_lock_shared(42); return $1; end $$;
    create index on public.letters (public.pause(id))`);
  await db.write("delete from public.letters where id <= 5000");
  await db.sql`update strata.settings set value = 1 where name = 'reclaim_wait'`;
  await db.sql`select strata.queue_reclaims('asked')`;

  const holder = db.connect({ max: 1 });
  await holder`select pg_advisory_lock(42)`; // the rewriting stands still in the middle of its work
  const reclaiming = reclaimAll(db.sql);
  await waitFor("the table to be locked", async () => {
    const rows = await db.sql`
      select from pg_locks where mode = 'AccessExclusiveLock' and granted
         and relation = 'public.letters'::regclass`;
    return rows.length > 0;
  }, { everyMs: 10 });
  const user = db.connect({ max: 1 }); // gives up after two seconds
  const [count] = await user`select count(*)::integer as n from public.letters`;
  assert.equal(count?.n, 5_000);
  await holder`select pg_advisory_unlock(42)`;
  await reclaiming;
  const attempts = await log(db.sql);
  assert.deepEqual(attempts.map(({ state }) => state), ["gave way", "done"]);
  assert.match(attempts[0]?.says ?? "", /somebody needed the table/);
});
