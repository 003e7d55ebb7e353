import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { testChain } from "../support/chain.ts";
import { testDatabase } from "../support/database.ts";
import { addNote, manageNotes } from "../support/notes.ts";
import { becomes, openAlerts, openKinds } from "../support/watch.ts";

const NOON = "2026-03-01T12:00:00Z";

/** A core whose clock stands, and what its alerts are after another look. */
async function core() {
  const db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.freezeClock(NOON);
  const check = async () => {
    await db.sql`select strata.check_alerts()`;
    return await openAlerts(db.sql);
  };
  return Object.assign(db, { check });
}

async function fail(sql: Sql, times: number, hoursAgo: number): Promise<void> {
  await sql`
    insert into strata.failures (failed_at, dataset, code, says)
    select strata.clock() - make_interval(hours => ${hoursAgo}), 'notes', '23514', 'copy: no'
      from generate_series(1, ${times})`;
}

Deno.test("failed moves: five in a day are bad luck, six are an alert until a day has passed", async () => {
  await using db = await core();
  await fail(db.sql, 5, 3);
  await fail(db.sql, 4, 25);
  assert.deepEqual(await db.check(), []);
  await fail(db.sql, 1, 2);
  const [alert] = await db.check();
  assert.equal(alert?.kind, "failed_moves");
  assert.match(alert?.says ?? "", /^6 steps failed .* "notes": copy: no \[23514\]$/);
  await db.freezeClock("2026-03-02T12:00:00Z");
  assert.deepEqual(await db.check(), []);
});

Deno.test("a failed step of a dataset and of a link are logged where they are noted", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { sql } = chain.core;
  await manageNotes(sql);
  await sql`select strata.note_failure('notes', '23514', 'copy: refused')`;
  await sql`select strata.note_link('main', '08001', 'no answer')`;
  await sql`select strata.note_link('main', null, null)`;
  const logged =
    await sql`select dataset, link, code, says from strata.failures order by failure_id`;
  assert.deepEqual(logged.map((row) => ({ ...row })), [
    { dataset: "notes", link: null, code: "23514", says: "copy: refused" },
    { dataset: null, link: "main", code: "08001", says: "no answer" },
  ]);
});

Deno.test("a link that is down is an alert, and none when it works again", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { sql } = chain.core;
  await sql`select strata.note_link('main', '08001', 'main cannot be reached')`;
  await sql`select strata.check_alerts()`;
  const [alert] = await openAlerts(sql);
  assert.deepEqual([alert?.kind, alert?.tier, alert?.subject], ["link_down", "core", "main"]);
  assert.match(alert?.says ?? "", /main cannot be reached \[08001\]/);
  await sql`select strata.note_link('main', null, null)`;
  await sql`select strata.check_alerts()`;
  assert.deepEqual(await openKinds(sql), []);
});

Deno.test("rows set aside are one alert per dataset, with their number", async () => {
  await using db = await core();
  await manageNotes(db.sql);
  await addNote(db.sql, 1, "2026-01-01");
  for (const key of ["1", "2", "3"]) {
    await db.sql`select strata.put_aside('notes', array[${key}], '23514', 'main refuses the row')`;
  }
  await db.sql`select strata.put_aside('other', array['1'], '22001', 'too long')`;
  const alerts = await db.check();
  assert.deepEqual(alerts.map(({ subject }) => subject), ["notes", "other"]);
  assert.match(alerts[0]?.says ?? "", /^3 rows of "notes" .* main refuses the row \[23514\]$/);
  assert.match(alerts[1]?.says ?? "", /^one row of "other"/);
  await db.sql`delete from strata.set_aside where dataset = 'notes'`;
  assert.deepEqual((await db.check()).map(({ subject }) => subject), ["other"]);
});

Deno.test("a day that costs more than a cent is an alert that names what it went for", async () => {
  await using db = await core();
  await db.sql`select strata.note_cost('report', 1, 0.002), strata.note_cost('voice', 900, 0.008)`;
  assert.deepEqual(await db.check(), []);
  await db.sql`select strata.note_cost('voice', 10, 0.0001)`;
  const [alert] = await db.check();
  assert.equal(alert?.kind, "cost");
  assert.match(alert?.says ?? "", /^2026-03-01 cost 0\.0101 USD, most of it for voice/);
  await db.freezeClock("2026-03-02T23:59:59Z"); // also of yesterday one should know
  assert.equal((await db.check()).length, 1);
  await db.freezeClock("2026-03-03T00:00:00Z");
  assert.deepEqual(await db.check(), []);
});

Deno.test("a key is overdue after its days, and fine once rotated", async () => {
  await using db = await core();
  await db.sql`select strata.note_key('mover', strata.clock() - interval '90 days')`;
  await db.sql`select strata.note_key('telegram', strata.clock() - interval '91 days')`;
  const alerts = await db.check();
  assert.deepEqual(alerts.map(({ kind, subject }) => [kind, subject]), [[
    "key_overdue",
    "telegram",
  ]]);
  await db.sql`update strata.keys set max_age_days = 30 where name = 'mover'`;
  await db.sql`select strata.note_key('telegram')`;
  assert.deepEqual((await db.check()).map(({ subject }) => subject), ["mover"]);
});

Deno.test("check_alerts() leaves alone what other functions have raised", async () => {
  await using db = await core();
  await db.sql`select strata.raise_alert('nothing_movable', null, null, 'critical', 'all is held')`;
  await db.sql`select strata.raise_alert('link_down', null, 'main', 'warning', 'long gone')`;
  assert.deepEqual((await db.check()).map(({ kind }) => kind), ["nothing_movable"]);
});

Deno.test("check_alerts() seen again and again, and by two sessions at once, is one row", async () => {
  await using db = await core();
  await fail(db.sql, 9, 1);
  for (let n = 0; n < 3; n += 1) await db.check();
  await Promise.all([db.check(), db.check(), db.check(), db.check()]);
  const alerts = await db.sql`select kind, seen_count from strata.alerts`;
  assert.deepEqual(alerts.map((row) => ({ ...row })), [{ kind: "failed_moves", seen_count: 7 }]);
});
