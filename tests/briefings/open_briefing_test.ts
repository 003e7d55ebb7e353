import assert from "node:assert/strict";
import { briefingCore, briefingStates, openBriefing, startDelivery } from "../support/briefings.ts";
import { refusal } from "../support/refusal.ts";

Deno.test("a briefing goes from due to sent, and that day never again", async () => {
  await using db = await briefingCore();
  const lease = await startDelivery(db.sql);
  assert.deepEqual(await briefingStates(db.sql), ["owner 2026-11-22 delivering"]);
  await db.sql`select strata.finish_briefing(${lease}, '17')`;
  const { state, lease: again, says } = await openBriefing(db.sql);
  assert.deepEqual([state, again, says], ["sent", null, "Good morning."]);
  await db.freezeClock("2026-11-23T00:00:00Z");
  assert.notEqual((await openBriefing(db.sql)).lease, null);
});

Deno.test("of many who open it at once, one gets the lease", async () => {
  await using db = await briefingCore();
  const sessions = Array.from({ length: 6 }, () => db.connect({ max: 1 }));
  const opened = await Promise.all(sessions.map((sql) => openBriefing(sql)));
  assert.equal(opened.filter(({ lease }) => lease !== null).length, 1);
});

Deno.test("one that was being composed is taken over when its lease is over", async () => {
  await using db = await briefingCore();
  const first = await openBriefing(db.sql);
  await db.freezeClock("2026-11-22T07:02:59Z");
  assert.equal((await openBriefing(db.sql)).lease, null);
  await db.freezeClock("2026-11-22T07:03:01Z");
  const second = await openBriefing(db.sql);
  assert.ok(second.lease !== null && second.lease !== first.lease);
  const late = db.sql`
    select strata.start_delivery(p_lease => ${first.lease}, p_says => 'x', p_language => 'en',
                                 p_channel => 'text', p_characters => 1)`;
  assert.equal((await refusal(late)).code, "ST094");
});

Deno.test("one that was being delivered is never sent again, for it may have arrived", async () => {
  await using db = await briefingCore();
  const lease = await startDelivery(db.sql);
  await db.freezeClock("2026-11-22T07:03:01Z");
  const { state, lease: again } = await openBriefing(db.sql);
  assert.deepEqual([state, again], ["unknown", null]);
  await db.sql`select strata.finish_briefing(${lease}, '17')`; // it was only late
  assert.deepEqual(await briefingStates(db.sql), ["owner 2026-11-22 sent"]);
});

Deno.test("one that was refused may be tried again, one that may have arrived may not", async () => {
  await using db = await briefingCore();
  const first = await startDelivery(db.sql);
  await db.sql`select strata.fail_briefing(${first}, 'chat not found', false)`;
  const second = await startDelivery(db.sql);
  await db.sql`select strata.fail_briefing(${second}, 'no answer', true)`;
  assert.equal((await openBriefing(db.sql)).lease, null);
  assert.deepEqual(await briefingStates(db.sql), ["owner 2026-11-22 unknown"]);
  const twice = db.sql`select strata.fail_briefing(${second}, 'no answer', true)`;
  assert.equal((await refusal(twice)).code, "ST094");
});

Deno.test("the day is the owner's, and each owner has one", async () => {
  await using db = await briefingCore("2026-11-22T23:30:00Z");
  await db.sql`insert into strata.owners (owner, timezone) values ('anna', 'Asia/Tokyo')`;
  await openBriefing(db.sql);
  await openBriefing(db.sql, "anna");
  assert.deepEqual(await briefingStates(db.sql), [
    "owner 2026-11-22 composing",
    "anna 2026-11-23 composing",
  ]);
});

Deno.test("an owner or a time zone that is not there is refused", async () => {
  await using db = await briefingCore();
  const nobody = await refusal(db.sql`select strata.open_briefing('nobody')`);
  assert.deepEqual([nobody.code, nobody.message], ["ST093", 'there is no owner "nobody"']);
  const nowhere = db.sql`update strata.owners set timezone = 'Europe/Nowhere'`;
  const { code, message } = await refusal(nowhere);
  assert.deepEqual([code, message], ["22023", 'time zone "Europe/Nowhere" not recognized']);
  assert.equal((await refusal(db.sql`select strata.briefing_log('nobody')`)).code, "ST093");
});

Deno.test("what a briefing said is kept for 30 days, and that there was one for longer", async () => {
  await using db = await briefingCore("2026-01-01T07:00:00Z");
  const sent = await startDelivery(db.sql);
  await db.sql`select strata.finish_briefing(${sent}, '1')`;
  await db.freezeClock("2026-01-02T07:00:00Z");
  await startDelivery(db.sql); // and whoever does it never comes back
  const said = async (at: string) => {
    await db.freezeClock(at);
    await db.sql`select strata.prune_records()`;
    return await db.sql`select state, says is not null as said from strata.briefings order by day`
      .then((rows) => rows.map((row) => ({ ...row })));
  };
  assert.deepEqual(await said("2026-01-31T07:00:00Z"), [
    { state: "sent", said: true },
    { state: "delivering", said: true },
  ]);
  assert.deepEqual(await said("2026-02-02T07:00:00Z"), [
    { state: "sent", said: false },
    { state: "unknown", said: false },
  ]);
});
