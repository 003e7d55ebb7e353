import assert from "node:assert/strict";
import { testChain } from "../support/chain.ts";
import type { TestDatabase } from "../support/database.ts";
import { claim, noteSent, quietlessCore, withoutDigest } from "../support/outbox.ts";
import { after, MB, pretendSize } from "../support/watch.ts";

const START = "2031-01-01T00:00:00Z";
const minutes = (n: number) => after(START, n / 60);

/** The keys of what is sent now; all of it is acknowledged. */
async function sent({ sql }: TestDatabase): Promise<{ key: string; text: string }[]> {
  const claimed = await claim(sql, undefined, 20);
  for (const one of claimed) await noteSent(sql, one);
  return claimed.map(({ key, body }) => ({
    key: key.replace(/\d+/, "N"),
    text: JSON.stringify(body),
  }));
}

Deno.test("a critical size is told at once, and so is its end, with the sizes and the time", async () => {
  await using db = await quietlessCore(START);
  await withoutDigest(db.sql);
  await pretendSize(db.sql, 456 * MB);
  await db.sql`call strata.watch()`;
  assert.deepEqual((await sent(db)).map(({ key }) => key), [
    "alert/N/critical", // above 450 MB
    "alert/N/warning", // above 400 MB
  ]);
  await db.freezeClock(minutes(8));
  await pretendSize(db.sql, 38 * MB);
  await db.sql`call strata.watch()`;
  const [clear, ...others] = await sent(db);
  assert.deepEqual(others, []);
  assert.equal(clear?.key, "alert/N/clear");
  assert.match(clear?.text ?? "", /"resolved: 456 → 38 MB in 8 min"/);
  await db.freezeClock(minutes(30));
  assert.deepEqual(await sent(db), []);
});

Deno.test("nobody is told that something is over who was never told of it", async () => {
  await using db = await quietlessCore(START);
  await withoutDigest(db.sql);
  await db.sql`select strata.raise_alert('nothing_movable', null, null, 'critical', 'all is held')`;
  await db.sql`select strata.clear_alert('nothing_movable')`;
  assert.deepEqual(await sent(db), []);
});

Deno.test("a day above a cent and a core above 400 MB do not wait for the report", async () => {
  await using db = await quietlessCore("2031-01-01T23:30:00Z"); // in the quiet hours
  await withoutDigest(db.sql);
  await db.sql`
    insert into strata.costs (at, kind, service, item, units, credits, usd, worth, state)
    values (strata.clock(), 'briefing', 'elevenlabs', 'eleven_v3', 102, 102, 0.0102, 0.0102, 'settled')`;
  assert.match((await sent(db))[0]?.text ?? "", /cost 0\.0102 USD/);
  await pretendSize(db.sql, 401 * MB);
  await db.sql`call strata.watch()`;
  assert.deepEqual((await sent(db)).map(({ key }) => key), ["alert/N/warning"]);
  assert.deepEqual(await sent(db), []);
});

for (const driver of ["push", "pull"] as const) {
  for (const fallen of ["main", "archive", "core"] as const) {
    const witness = fallen === "core" ? "main" : fallen === "main" ? "core" : "main";
    Deno.test(`${driver}: that ${fallen} is down is critical on ${witness}, and told within 30 minutes`, async () => {
      await using chain = await testChain({ driver });
      await chain.freezeClock(START);
      const living = chain.databases.filter(({ tier }) => tier !== fallen);
      const tick = async (tiers: TestDatabase[]) => {
        for (const { sql } of tiers.toReversed()) await sql`call strata.watchdog()`;
      };
      await tick(chain.databases);
      await tick(chain.databases);
      for (const { sql } of living) {
        await sql`update strata.settings set value = 23 where name = 'digest_hour'`;
        if (!await dials(sql, fallen)) continue;
        await sql.unsafe(`alter server strata_${fallen} options (set port '9')`);
      }
      const teller = fallen === "core" ? chain.main : chain.core;
      let told = 0;
      for (let at = 5; at <= 25 && told === 0; at += 5) {
        await chain.freezeClock(minutes(at));
        await tick(living);
        if (at <= 15) assert.deepEqual(await sent(teller), [], `after ${at} minutes`);
        else if ((await sent(teller)).some(({ text }) => text.includes(fallen))) told = at;
      }
      assert.ok(told > 0 && told <= 25, `told after ${told} minutes`);
    });
  }
}

async function dials(sql: TestDatabase["sql"], neighbour: string): Promise<boolean> {
  const rows = await sql`
    select from strata.links where neighbour = ${neighbour} and server is not null`;
  return rows.length > 0;
}
