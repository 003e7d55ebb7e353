import assert from "node:assert/strict";
import type { Driver, TestChain } from "../support/chain.ts";
import { testChain } from "../support/chain.ts";
import type { TestDatabase } from "../support/database.ts";
import { addNote, createNotes, manage, manageNotes, settle } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";
import { after, openAlerts } from "../support/watch.ts";

const DRIVERS: Driver[] = ["push", "pull"];
/** Later than the moment at which the chain is made, which is by the real clock. */
const START = "2031-01-01T00:00:00Z";

/** A chain at START in which every tier has watched and has heard of its neighbours. */
async function quietChain(driver: Driver, tiers: ("core" | "main" | "archive")[]) {
  const chain = await testChain({ driver, tiers });
  await chain.freezeClock(START);
  await tick(chain);
  await tick(chain);
  return chain;
}

/** Everything cron calls to watch, on every tier or only where it still runs. */
async function tick(chain: TestChain, dead: TestDatabase[] = []): Promise<void> {
  for (const one of chain.databases.toReversed()) {
    if (dead.includes(one)) continue;
    await one.sql`call strata.watch()`;
    await one.sql`call strata.watchdog()`;
  }
}

async function alertsOn({ sql }: TestDatabase): Promise<string[]> {
  return (await openAlerts(sql)).map(({ kind, tier, subject }) =>
    [kind, tier, subject].join(" ").trim()
  );
}

for (const driver of DRIVERS) {
  Deno.test(`${driver}: a chain in which everything runs has no alert, on any tier, for days`, async () => {
    await using chain = await quietChain(driver, ["core", "main", "archive"]);
    for (const hours of [0.25, 1, 12, 40]) {
      await chain.freezeClock(after(START, hours));
      await tick(chain);
      await tick(chain); // what was missed meanwhile is heard of by now
    }
    for (const one of chain.databases) {
      assert.deepEqual(await alertsOn(one), []);
      const links = await one
        .sql`select from strata.links where server is not null and last_ok_at is null`;
      assert.equal(links.length, 0);
    }
  });

  Deno.test(`${driver}: core's dead cron is noticed by main, and core knows as soon as it can`, async () => {
    await using chain = await quietChain(driver, ["core", "main"]);
    const { core, main } = chain;
    await chain.freezeClock(after(START, 25));
    await tick(chain, [core]);
    const found = driver === "pull" ? "job_stopped core strata-watch" : "silent core";
    assert.deepEqual(await alertsOn(main), [found]);
    // main, when it is the one that dials, has put it on core; otherwise core fetches it when it is back
    assert.deepEqual(await alertsOn(core), driver === "pull" ? [found] : []);
    if (driver === "push") {
      await core.sql`call strata.watchdog()`;
      assert.ok((await alertsOn(core)).includes(found));
    }
    await tick(chain);
    await tick(chain);
    assert.deepEqual([await alertsOn(core), await alertsOn(main)], [[], []]);
  });

  Deno.test(`${driver}: main's dead cron is noticed by core`, async () => {
    await using chain = await quietChain(driver, ["core", "main"]);
    const { core, main } = chain;
    await chain.freezeClock(after(START, 25));
    await tick(chain, [main]);
    const found = driver === "pull" ? "silent main" : "job_stopped main strata-watch";
    assert.deepEqual(await alertsOn(core), [found]);
    await tick(chain);
    await tick(chain);
    assert.deepEqual([await alertsOn(core), await alertsOn(main)], [[], []]);
  });

  Deno.test(`${driver}: what an archive finds travels up to core, and is cleared there with its cause`, async () => {
    await using chain = await quietChain(driver, ["core", "main", "archive"]);
    const { core, main, archive } = chain;
    await archive.sql`
      insert into strata.failures (failed_at, dataset, code, says)
      select strata.clock(), 'notes', '23514', 'delete: no' from generate_series(1, 6)`;
    await tick(chain);
    await tick(chain);
    for (const one of [archive, main, core]) {
      assert.deepEqual(await alertsOn(one), ["failed_moves archive"]);
    }
    const origins = await Promise.all([archive, main, core].map(async ({ sql }) => {
      const [row] = await sql`select heard_from from strata.alerts where cleared_at is null`;
      return row?.heard_from;
    }));
    assert.deepEqual(origins, [null, "archive", "main"]);
    await archive.sql`delete from strata.failures where true`;
    await tick(chain);
    await tick(chain);
    for (const one of [archive, main, core]) assert.deepEqual(await alertsOn(one), []);
  });

  Deno.test(`${driver}: rows that are due and do not move are overdue after twice the schedule`, async () => {
    await using chain = await quietChain(driver, ["core", "main"]);
    const { core, main } = chain;
    await manageNotes(core.sql);
    await addNote(core.sql, 1, "2030-01-01");
    for (const [hours, overdue] of [[0.1, false], [7.9, false], [8.2, true], [20, true]] as const) {
      await chain.freezeClock(after(START, hours));
      await tick(chain);
      await tick(chain);
      const found = overdue ? ["overdue core notes"] : [];
      assert.deepEqual(await alertsOn(core), found, `core after ${hours} hours`);
      assert.deepEqual(await alertsOn(main), found, `main after ${hours} hours`);
    }
    await settle(chain);
    await tick(chain);
    await tick(chain);
    assert.deepEqual([await alertsOn(core), await alertsOn(main)], [[], []]);
  });
}

Deno.test("pull: main notices that core's rows are overdue although nothing runs on core", async () => {
  await using chain = await quietChain("pull", ["core", "main"]);
  const { core, main } = chain;
  await manageNotes(core.sql);
  await addNote(core.sql, 1, "2030-01-01");
  for (const hours of [0.1, 9]) {
    await chain.freezeClock(after(START, hours));
    await tick(chain, [core]);
  }
  assert.deepEqual(await alertsOn(main), ["overdue core notes"]);
  assert.deepEqual(await alertsOn(core), ["overdue core notes"]);
});

/** Datasets overdue; after a leap in time main complains for a moment that nobody dialled. */
async function overdueOn({ sql }: TestDatabase): Promise<string[]> {
  return (await openAlerts(sql)).filter(({ kind }) => kind === "overdue").map((a) => a.subject);
}

Deno.test("a dataset of which something moved is not overdue, however much is left", async () => {
  await using chain = await quietChain("push", ["core", "main"]);
  const { core } = chain;
  await manageNotes(core.sql);
  await core.sql`update strata.settings set value = 1 where name = 'batch_rows'`;
  for (let id = 1; id <= 8; id += 1) await addNote(core.sql, id, "2030-01-01");
  for (let hours = 0.1; hours < 30; hours += 6) {
    await chain.freezeClock(after(START, hours));
    await core.sql.unsafe("call strata.move_due('0 seconds')");
    await tick(chain);
    assert.deepEqual(await overdueOn(core), [], `after ${hours} hours`);
  }
  const [left] = await core.sql`select count(*)::integer as n from public.notes`;
  assert.ok(left?.n > 0 && left?.n < 8, `${left?.n} left`);
});

Deno.test("an old row is not overdue before it is ready, nor while it is held", async () => {
  await using chain = await quietChain("push", ["core", "main"]);
  const { core } = chain;
  await createNotes(core.sql);
  await manage(core.sql, "public.notes", { due_when: "body = 'completed'" });
  await addNote(core.sql, 1, "2020-01-01", "open");
  const at = async (hours: number) => {
    await chain.freezeClock(after(START, hours));
    await tick(chain);
    return await overdueOn(core);
  };
  assert.deepEqual(await at(1), []);
  assert.deepEqual(await at(20), []);
  await core.sql`update public.notes set body = 'completed'`; // due for eleven years, ready since now
  assert.deepEqual(await at(21), []);
  assert.deepEqual(await at(28), []);
  assert.deepEqual(await at(30), ["notes"]);
  await core.sql`select strata.hold('notes', array['1'], p_reason => 'a dispute')`;
  assert.deepEqual(await at(31), []);
});

Deno.test("a table that is gone keeps no tier from saying how it is", async () => {
  await using chain = await quietChain("pull", ["core", "main"]);
  const { core, main } = chain;
  await manageNotes(core.sql);
  await addNote(core.sql, 1, "2030-01-01");
  await settle(chain);
  await core.sql`drop table public.notes`;
  await main.sql`drop table public.notes`;
  await tick(chain);
  const [link] = await main.sql`select trouble from strata.links`;
  assert.equal(link?.trouble, null);
});

Deno.test("a neighbour that cannot be dialled is an alert of the side that dials", async () => {
  await using chain = await quietChain("pull", ["core", "main"]);
  const { core, main } = chain;
  const { hostname, port, pathname } = new URL(core.url);
  const password = "not the one";
  await main.sql`
    select strata.join_tier('core', 'pull', ${hostname}, ${Number(port)}, ${pathname.slice(1)},
                            p_password => ${password})`;
  await tick(chain);
  assert.deepEqual(await alertsOn(main), ["link_down main core"]);
  const [alert] = await openAlerts(main.sql);
  assert.match(alert?.says ?? "", /28P01/);
  assert.deepEqual(await alertsOn(core), []);
});

Deno.test("what was heard from a tier that is left is forgotten", async () => {
  await using chain = await quietChain("pull", ["core", "main"]);
  const { core, main } = chain;
  await main.sql`select strata.raise_alert('audit_mismatch', null, 'notes', 'warning', 'a row')`;
  await tick(chain);
  assert.deepEqual(await alertsOn(core), ["audit_mismatch main notes"]);
  await core.sql`select strata.leave_tier('main')`;
  await core.sql`select strata.check_alerts()`;
  assert.deepEqual(await alertsOn(core), []);
  assert.deepEqual([...await core.sql`select from strata.heartbeats`], []);
});

Deno.test("a heartbeat of a stranger is refused, and the mover may do nothing else of the watch", async () => {
  await using chain = await quietChain("pull", ["core", "main"]);
  const { core, main } = chain;
  for (const [from, tier] of [["archive", "archive"], ["main", "core"]] as const) {
    const { code } = await refusal(
      core.sql`select strata.exchange_heartbeats(${from}, ${core.sql.json({ tier, alerts: [] })})`,
    );
    assert.equal(code, "ST061");
  }
  for (
    const call of ["check_alerts()", "raise_alert(null, null, null, null, null)", "dataset_sizes()"]
  ) {
    const { code } = await refusal(
      main.sql`select strata.ask('core', ${`select count(*)::text from strata.${call}`})`,
    );
    assert.equal(code, "42501");
  }
});

Deno.test("cron_period() reads how long a schedule may pause", async () => {
  await using chain = await testChain({ tiers: ["core"] });
  for (
    const [cron, period] of [
      ["* * * * *", "00:01:00"],
      ["*/15 * * * *", "00:15:00"],
      ["7,22,37,52 * * * *", "00:15:00"],
      ["0,10 * * * *", "00:50:00"],
      ["0 */4 * * *", "04:00:00"],
      ["30 8-18/2 * * *", "14:00:00"],
      ["0 9 * * *", "24:00:00"],
      ["0 2 * * 0", "7 days"],
      ["0 2 * * 1,4", "4 days"],
      ["0 9 1 * *", "31 days"],
      ["0 9 1 1 *", "1 year"],
      ["30 seconds", "00:00:30"],
    ] as const
  ) {
    const [row] = await chain.core.sql`select strata.cron_period(${cron})::text as period`;
    assert.equal(row?.period, period, cron);
  }
});
