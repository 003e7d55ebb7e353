import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { testDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";
import { becomes } from "../support/watch.ts";

const FLASH = "eleven_flash_v2_5";

/** A core on the first of a month with 30 days. */
async function core(now = "2026-04-01T07:00:00Z") {
  const db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.freezeClock(now);
  return db;
}

interface Answer {
  cost_id: string | null;
  denied_by: string | null;
  usd: number | null;
}

async function reserve(sql: Sql, units: number, kind = "briefing", item = FLASH): Promise<Answer> {
  const [row] = await sql<Answer[]>`
    select cost_id, denied_by, usd::float8 as usd
      from strata.reserve_cost('elevenlabs', ${item}, ${kind}, ${units}, 'a test')`;
  assert.ok(row !== undefined);
  return row;
}

interface Affordable {
  units: number;
  limited_by: string;
  credits_left: number;
  usd_left: number;
}

async function affordable(sql: Sql, kind = "briefing", item = FLASH): Promise<Affordable> {
  const [row] = await sql<Affordable[]>`
    select units, limited_by, credits_left::float8 as credits_left, usd_left::float8 as usd_left
      from strata.affordable('elevenlabs', ${item}, ${kind})`;
  assert.ok(row !== undefined);
  return row;
}

async function allow(sql: Sql, credits: number): Promise<void> {
  await sql`update strata.allowances set amount = ${credits} where service = 'elevenlabs'`;
}

Deno.test("a daily kind gets its share of the month's credits, and they last to the end", async () => {
  await using db = await core();
  // 10,000 credits over 30 days are 333 a day, and two flash characters are one credit
  assert.equal((await affordable(db.sql)).units, 666);
  let spent = 0;
  for (let day = 1; day <= 30; day += 1) {
    await db.freezeClock(`2026-04-${String(day).padStart(2, "0")}T07:00:00Z`);
    const { units, limited_by } = await affordable(db.sql);
    assert.equal(limited_by, "share");
    assert.ok(units >= 666 && units <= 668, `${units} on day ${day}`);
    const { cost_id, usd } = await reserve(db.sql, units);
    assert.equal(usd, 0);
    await db.sql`select strata.settle_cost(${cost_id})`;
    spent += units;
  }
  assert.ok(spent > 19_980 && spent <= 20_000, String(spent));
  await db.freezeClock("2026-05-01T07:00:00Z");
  assert.equal((await affordable(db.sql)).units, 645); // 31 days
});

Deno.test("one character more than is affordable is refused, and nothing is written", async () => {
  await using db = await core();
  assert.deepEqual(await reserve(db.sql, 667), { cost_id: null, denied_by: "share", usd: null });
  assert.equal((await db.sql`select from strata.costs`).length, 0);
  assert.notEqual((await reserve(db.sql, 666)).cost_id, null);
  // the day's money would buy 200, also when the share is spoken
  assert.deepEqual(await affordable(db.sql), {
    units: 200,
    limited_by: "day",
    credits_left: 9667,
    usd_left: 0.01,
  });
});

Deno.test("without free credits a day may cost a cent and not a hundredth of one more", async () => {
  await using db = await core();
  await allow(db.sql, 0);
  assert.equal((await affordable(db.sql)).units, 200);
  assert.equal((await reserve(db.sql, 201)).denied_by, "day");
  assert.equal((await reserve(db.sql, 150)).usd, 0.0075);
  assert.equal((await reserve(db.sql, 51, "voice-test")).denied_by, "day");
  assert.equal((await reserve(db.sql, 50)).usd, 0.0025);
  assert.equal((await affordable(db.sql)).units, 0);
  await db.freezeClock("2026-04-02T00:00:00Z");
  assert.equal((await affordable(db.sql)).units, 200);
});

Deno.test("a changed ceiling counts at once", async () => {
  await using db = await core();
  await allow(db.sql, 0);
  await db.sql`update strata.settings set value = 30000 where name = 'cost_per_day'`;
  assert.equal((await affordable(db.sql)).units, 600);
  await db.sql`update strata.prices set usd = 0.0003 where item = ${FLASH}`;
  assert.equal((await affordable(db.sql)).units, 100);
});

Deno.test("what goes beyond the free credits is billed, the rest is not", async () => {
  await using db = await core();
  await allow(db.sql, 50);
  const { usd } = await reserve(db.sql, 200, "other"); // 100 characters are free
  assert.equal(usd, 0.005);
  const [row] = await db.sql`
    select credits::float8 as credits, worth::float8 as worth, state from strata.costs`;
  assert.deepEqual({ ...row }, { credits: 100, worth: 0.01, state: "reserved" });
});

Deno.test("a month's ceiling of a kind counts what its calls are worth, free or not", async () => {
  await using db = await core();
  assert.equal((await affordable(db.sql, "deploy-notice")).units, 2400); // 0.12 USD
  await reserve(db.sql, 2300, "deploy-notice");
  assert.deepEqual(
    [
      (await affordable(db.sql, "deploy-notice")).units,
      (await reserve(db.sql, 101, "deploy-notice")).denied_by,
    ],
    [100, "month"],
  );
  await db.freezeClock("2026-05-01T00:00:00Z");
  assert.equal((await affordable(db.sql, "deploy-notice")).units, 2400);
});

Deno.test("two calls at once cannot both take the last of it", async () => {
  await using db = await core();
  await allow(db.sql, 0);
  const sessions = Array.from({ length: 4 }, () => db.connect({ max: 1 }));
  const answers = await Promise.all(
    sessions.flatMap((sql) => [reserve(sql, 60), reserve(sql, 60), reserve(sql, 60)]),
  );
  assert.equal(answers.filter(({ cost_id }) => cost_id !== null).length, 3); // of 200
  const [sum] = await db.sql`select sum(usd)::float8 as usd from strata.costs`;
  assert.equal(sum?.usd, 0.009);
});

Deno.test("a reservation nobody settles counts in full, for ever", async () => {
  await using db = await core();
  await allow(db.sql, 1000);
  await reserve(db.sql, 60);
  await db.freezeClock("2026-04-20T07:00:00Z");
  assert.equal((await affordable(db.sql)).credits_left, 970);
});

Deno.test("what was refused is released and costs nothing; it can be released only once", async () => {
  await using db = await core();
  const { cost_id } = await reserve(db.sql, 600);
  await db.sql`select strata.release_cost(${cost_id})`;
  assert.equal((await affordable(db.sql)).credits_left, 10_000);
  assert.equal((await refusal(db.sql`select strata.release_cost(${cost_id})`)).code, "ST092");
  assert.equal((await refusal(db.sql`select strata.settle_cost(${cost_id})`)).code, "ST092");
});

Deno.test("a call is settled with what the service says it took", async () => {
  await using db = await core();
  await allow(db.sql, 50);
  const { cost_id } = await reserve(db.sql, 200, "other"); // 50 credits free, 50 billed
  const [settled] = await db.sql`select strata.settle_cost(${cost_id}, 120)::float8 as usd`;
  assert.equal(settled?.usd, 0.007); // 70 credits are 140 characters
  const [row] = await db
    .sql`select units::integer as units, worth::float8 as worth from strata.costs`;
  assert.deepEqual({ ...row }, { units: 200, worth: 0.012 });
});

Deno.test("a service that rounds up takes what it rounds from the free credits while there are any", async () => {
  await using db = await core();
  for (const [credits, usd] of [[10_000, 0], [50, 0.0001]] as const) {
    await allow(db.sql, credits);
    const { cost_id } = await reserve(db.sql, credits === 50 ? 99 : 101, "other");
    const [settled] = await db.sql`
      select strata.settle_cost(${cost_id}, 51)::float8 as usd`;
    assert.equal(settled?.usd, usd);
    await db.sql`delete from strata.costs`;
  }
});

Deno.test("settling with what was reserved changes nothing", async () => {
  await using db = await core();
  await allow(db.sql, 50);
  const { cost_id } = await reserve(db.sql, 200, "other");
  await db.sql`select strata.settle_cost(${cost_id}, 100)`;
  const [row] = await db.sql`
    select usd::float8 as usd, credits::float8 as credits, worth::float8 as worth, state from strata.costs`;
  assert.deepEqual({ ...row }, { usd: 0.005, credits: 100, worth: 0.01, state: "settled" });
});

Deno.test("the service's own count is believed when it is higher", async () => {
  await using db = await core();
  await reserve(db.sql, 600);
  await db.sql`select strata.note_allowance('elevenlabs', 9000, 10000)`;
  assert.equal((await affordable(db.sql)).credits_left, 1000);
  await db.freezeClock("2026-04-02T07:00:00Z");
  await reserve(db.sql, 60); // since then
  assert.equal((await affordable(db.sql)).credits_left, 970);
  await db.sql`select strata.note_allowance('elevenlabs', 0, 10000)`; // another key, perhaps
  assert.equal((await affordable(db.sql)).credits_left, 9670);
  await db.freezeClock("2026-05-01T07:00:00Z");
  assert.equal((await affordable(db.sql)).credits_left, 10_000);
});

Deno.test("the service's month begins when it says so", async () => {
  await using db = await core("2026-04-20T12:00:00Z");
  await db.sql`select strata.note_allowance('elevenlabs', 9900, 30000, '2026-05-31T10:00:00Z')`;
  for (
    const [now, starts, ends] of [
      ["2026-04-20T12:00:00Z", "2026-03-31T10", "2026-04-30T10"],
      ["2026-04-30T09:59:59Z", "2026-03-31T10", "2026-04-30T10"],
      ["2026-04-30T10:00:00Z", "2026-04-30T10", "2026-05-31T10"],
      ["2026-12-31T23:00:00Z", "2026-12-31T10", "2027-01-31T10"],
      ["2027-02-28T10:00:00Z", "2027-02-28T10", "2027-03-31T10"],
      ["2028-02-29T09:00:00Z", "2028-01-31T10", "2028-02-29T10"],
    ] as const
  ) {
    await db.freezeClock(now);
    const [period] = await db.sql`
      select to_char(starts at time zone 'UTC', 'YYYY-MM-DD"T"HH24') as starts,
             to_char(ends at time zone 'UTC', 'YYYY-MM-DD"T"HH24') as ends
        from strata.allowance_period('elevenlabs')`;
    assert.deepEqual({ ...period }, { starts, ends }, now);
  }
});

Deno.test("once the service has refused, nothing is asked of it until its next reset", async () => {
  await using db = await core("2026-04-20T12:00:00Z");
  await db.sql`select strata.note_exhausted('elevenlabs')`;
  assert.deepEqual(await affordable(db.sql), {
    units: 0,
    limited_by: "exhausted",
    credits_left: 0,
    usd_left: 0.01,
  });
  assert.equal((await reserve(db.sql, 1)).denied_by, "exhausted");
  await db.freezeClock("2026-05-01T00:00:01Z");
  assert.equal((await affordable(db.sql)).units, 645);
});

Deno.test("what has no price, no kind or a negative amount is refused", async () => {
  await using db = await core();
  for (
    const [code, attempt] of [
      ["ST090", () => reserve(db.sql, 1, "briefing", "eleven_v9")],
      ["ST091", () => reserve(db.sql, -1)],
      ["ST091", () => reserve(db.sql, 1, "")],
      ["ST090", () => affordable(db.sql, "briefing", "eleven_v9")],
    ] as const
  ) {
    assert.equal((await refusal(attempt())).code, code);
  }
});

Deno.test("every price and every allowance says where it is written", async () => {
  await using db = await core();
  const rows = await db.sql<{ source: string }[]>`
    select source from strata.prices union all select source from strata.allowances`;
  assert.ok(rows.length >= 5);
  for (const { source } of rows) assert.match(source, /elevenlabs\.io/);
});
