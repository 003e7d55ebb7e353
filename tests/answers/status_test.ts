import { assertEquals } from "@std/assert";
import type { Sql } from "postgres";
import { testChain } from "../support/chain.ts";
import { testDatabase } from "../support/database.ts";
import { addNote, manageNotes, settle } from "../support/notes.ts";
import { VERSION } from "../../supabase/functions/_strata/http/version.ts";
import { refusal } from "../support/refusal.ts";

const NOW = "2026-03-01T12:00:00Z";

async function status(sql: Sql) {
  const [row] = await sql`select strata.status() as status`;
  return row?.status;
}

Deno.test("status() of a new tier has nothing to tell", async () => {
  await using db = await testDatabase("archive");
  await db.sql`select strata.become('archive')`;
  const { billed_bytes, ...rest } = await status(db.sql);
  assertEquals(rest, {
    tier: "archive",
    version: VERSION,
    is_last: true,
    links: [],
    datasets: 0,
    troubles: [],
    open_moves: [],
    open_arrivals: 0,
    set_aside: 0,
    holds: 0,
    drain: null,
    last_move_at: null,
    paused_jobs: [],
    has_cron: false,
  });
  const [bill] = await db.sql`
    select sum(pg_database_size(oid)) > ${billed_bytes} / 2 as near from pg_database where datallowconn`;
  assertEquals(bill?.near, true);
});

Deno.test("status() tells of links, open moves, holds and rows set aside", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core } = chain;
  await chain.freezeClock(NOW);
  await manageNotes(core.sql, { core_retention_days: 0 });
  await settle(chain);
  await addNote(core.sql, 1, "2020-01-01");
  await core.sql`select strata.hold('notes', '{2}', p_reason => 'so')`;
  await core.sql`select strata.release(strata.hold('notes', '{3}', p_reason => 'over'))`;
  await settle(chain);
  await addNote(core.sql, 4, "2020-01-01");
  await core.sql`select strata.claim('notes', 'main')`;
  await core.sql`select strata.put_aside('notes', '{9}', 'ST040', 'another row')`;

  const { links, open_moves, ...rest } = await status(core.sql);
  assertEquals(links, [{
    neighbour: "main",
    direction: "colder",
    driver: "push",
    version: null, // nothing was heard of it yet
    dials: true,
    sslmode: "prefer",
    insecure_because: null,
    last_ok_at: "2026-03-01T12:00:00+00:00",
    sqlstate: null,
    trouble: null,
    remedy: null,
    next_try_at: null,
  }]);
  const [{ move_id: _, ...move }] = open_moves;
  assertEquals(move, {
    dataset: "notes",
    to_tier: "main",
    state: "claimed",
    rows: 1,
    started_at: "2026-03-01T12:00:00+00:00",
    attempts: 1,
    last_error: null,
  });
  assertEquals([rest.holds, rest.set_aside, rest.datasets], [1, 1, 1]);
  assertEquals(rest.last_move_at, "2026-03-01T12:00:00+00:00");
});

Deno.test("status() tells what a dataset's trouble is and what to do", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core } = chain;
  await chain.freezeClock(NOW);
  await manageNotes(core.sql);
  await core.sql`select strata.note_failure('notes', 'ST020', 'the twin is gone')`;
  assertEquals((await status(core.sql)).troubles, [{
    dataset: "notes",
    sqlstate: "ST020",
    trouble: "the twin is gone",
    remedy:
      "restore the table on that tier from a backup; if there is none, make it anew there, without those rows: select strata.forget_twin('notes');",
    next_try_at: "2026-03-01T12:01:00+00:00",
  }]);
});

Deno.test("status() names the jobs of this tier that are paused", async () => {
  await using db = await testDatabase("archive");
  await db.sql`select strata.become('archive')`;
  await db
    .sql`update strata.schedules set active = false where job in ('strata-upkeep', 'strata-briefing')`;
  assertEquals((await status(db.sql)).paused_jobs, ["strata-upkeep"]); // core alone briefs
});

Deno.test("status() refuses to speak for a database that is no tier", async () => {
  await using db = await testDatabase();
  assertEquals((await refusal(status(db.sql))).code, "ST001");
});
