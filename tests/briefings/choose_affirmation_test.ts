import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { briefingCore, startDelivery } from "../support/briefings.ts";

interface Chosen {
  affirmation_id: string | null;
  says: string | null;
}

async function choose(sql: Sql, day: string, language = "en"): Promise<Chosen> {
  const [row] = await sql<Chosen[]>`
    select affirmation_id, says from strata.choose_affirmation('owner', ${language}, ${day})`;
  assert.ok(row !== undefined);
  return row;
}

const day = (n: number) => new Date(Date.UTC(2026, 0, 1 + n, 7)).toISOString();

Deno.test("no affirmation is repeated within 14 days, over three months of mornings", async () => {
  await using db = await briefingCore();
  for (const language of ["en", "de"]) {
    await db.sql`update strata.owners set language = ${language}`;
    await db.sql`delete from strata.briefings`;
    const heard: string[] = [];
    for (let n = 0; n < 90; n += 1) {
      await db.freezeClock(day(n));
      const { affirmation_id, says } = await choose(db.sql, day(n).slice(0, 10), language);
      assert.ok(affirmation_id !== null && says !== null);
      assert.ok(!heard.slice(-14).includes(says), `${says} again on day ${n}`);
      heard.push(says);
      const lease = await startDelivery(db.sql, affirmation_id);
      await db.sql`select strata.finish_briefing(${lease}, '1')`;
    }
    assert.equal(new Set(heard).size, 24);
  }
});

Deno.test("with fewer than there are days, none is said rather than one repeated", async () => {
  await using db = await briefingCore("2026-01-01T07:00:00Z");
  await db.sql`delete from strata.affirmations where says <> 'Rest is part of the work.'`;
  const { affirmation_id } = await choose(db.sql, "2026-01-01");
  const lease = await startDelivery(db.sql, affirmation_id ?? "");
  await db.sql`select strata.finish_briefing(${lease}, '1')`;
  for (const [date, says] of [["2026-01-15", null], ["2026-01-16", "Rest is part of the work."]]) {
    assert.equal((await choose(db.sql, date ?? "")).says, says);
  }
});

Deno.test("one that was only composed, or refused, is not used up; a silenced one is never said", async () => {
  await using db = await briefingCore();
  await db.sql`delete from strata.affirmations where says <> 'Rest is part of the work.'`;
  const { affirmation_id } = await choose(db.sql, "2026-11-22");
  const lease = await startDelivery(db.sql, affirmation_id ?? "");
  assert.equal((await choose(db.sql, "2026-11-22")).says, null);
  await db.sql`select strata.fail_briefing(${lease}, 'chat not found', false)`;
  assert.equal((await choose(db.sql, "2026-11-22")).affirmation_id, affirmation_id);
  await db.sql`update strata.affirmations set active = false`;
  assert.equal((await choose(db.sql, "2026-11-22")).says, null);
});
