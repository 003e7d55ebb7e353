import assert from "node:assert/strict";
import type { TestChain } from "../support/chain.ts";
import { testChain } from "../support/chain.ts";
import { addNote, idsOn, manageNotes, settle } from "../support/notes.ts";
import { openAlerts } from "../support/watch.ts";

const NOW = "2031-03-01T12:00:00Z";

async function chainOf(driver: "push" | "pull", days = 0): Promise<TestChain> {
  const chain = await testChain({ tiers: ["core", "main"], driver });
  await chain.freezeClock(NOW);
  await manageNotes(chain.core.sql, { core_retention_days: days });
  await settle(chain);
  return chain;
}

async function watch(chain: TestChain): Promise<void> {
  for (let n = 0; n < 2; n += 1) {
    for (const { sql } of chain.databases.toReversed()) {
      await sql`call strata.watch()`;
      await sql`call strata.watchdog()`;
    }
  }
}

async function kinds(chain: TestChain): Promise<string[]> {
  const found = await Promise.all(chain.databases.map(({ sql }) => openAlerts(sql)));
  return [...new Set(found.flat().map(({ kind, subject }) => `${kind} ${subject}`.trim()))];
}

for (const driver of ["push", "pull"] as const) {
  Deno.test(`${driver}: the copy on main is deleted: nothing is set aside any more, and nothing is missed`, async () => {
    await using chain = await chainOf(driver);
    const { core, main } = chain;
    await addNote(main.sql, 1, "2031-02-01", "theirs");
    await main.sql`call strata.audit()`;
    await core.sql`call strata.audit()`; // whichever dials has main's row in its account
    await addNote(core.sql, 1, "2031-02-01", "ours");
    await settle(chain);
    await watch(chain);
    assert.deepEqual((await kinds(chain)).sort(), ["audit_mismatch notes", "row_set_aside notes"]);

    await main.sql`delete from public.notes where id = 1`;
    await core.sql`select strata.audit_anew()`;
    await main.sql`select strata.audit_anew()`;
    for (const { sql } of chain.databases) await sql`call strata.audit()`;
    await watch(chain);
    assert.deepEqual(await kinds(chain), []);
    assert.deepEqual([...await core.sql`select from strata.set_aside`], []);

    await settle(chain);
    assert.deepEqual([await idsOn(core.sql), await idsOn(main.sql)], [[], [1]]);
    for (const { sql } of chain.databases) await sql`select strata.audit_anew()`;
    for (const { sql } of chain.databases) await sql`call strata.audit()`;
    await watch(chain);
    assert.deepEqual(await kinds(chain), []);
  });

  for (
    const [what, statement] of [
      ["deleted", "delete from public.notes where id = 1"],
      ["held", "select strata.hold('notes', array['1'], p_reason => 'a dispute')"],
      ["not due any more", "update public.notes set created_at = '2031-04-01' where id = 1"],
    ] as const
  ) {
    Deno.test(`${driver}: a row that is ${what} is not set aside any more`, async () => {
      await using chain = await chainOf(driver, 1);
      await addNote(chain.core.sql, 1, "2031-02-01");
      await chain.core.sql`select strata.put_aside('notes', array['1'], '23514', 'refused')`;
      await watch(chain);
      assert.deepEqual(await kinds(chain), ["row_set_aside notes"]);
      await chain.core.sql.unsafe(statement);
      await watch(chain);
      assert.deepEqual(await kinds(chain), []);
    });
  }

  Deno.test(`${driver}: a row that is mended is tried again with the next run`, async () => {
    await using chain = await chainOf(driver);
    const { core, main } = chain;
    await main.sql`alter table public.notes add constraint short check (length(body) < 4)`;
    await addNote(core.sql, 1, "2031-02-01", "too long");
    await settle(chain);
    await watch(chain);
    assert.deepEqual(await kinds(chain), ["row_set_aside notes"]);
    await core.sql`update public.notes set body = 'ok' where id = 1`;
    await watch(chain);
    await settle(chain);
    await watch(chain);
    assert.deepEqual(await kinds(chain), []);
    assert.deepEqual(await idsOn(main.sql), [1]);
  });

  Deno.test(`${driver}: a grant that was taken away is told of, and given back by setup`, async () => {
    await using chain = await chainOf(driver);
    for (const { sql } of chain.databases) {
      await sql`revoke usage on schema strata from strata_mover`;
      await sql`revoke execute on function strata.hello() from strata_mover`;
    }
    await watch(chain);
    const found = await kinds(chain);
    assert.ok(found.includes("not_as_set_up rights"), found.join());
    assert.ok(found.some((one) => one.startsWith("link_down")), found.join());
    for (const { sql, tier } of chain.databases) {
      const [check] = await sql`select ok, says from strata.validate_rights()`;
      assert.equal(check?.ok, false);
      assert.match(check?.says, /strata_mover may not use schema strata \(and 1 more\)/);
      await sql`select strata.become(${tier})`; // as every setup does
    }
    for (const { sql } of chain.databases.toReversed()) await sql`call strata.look()`;
    await watch(chain);
    assert.deepEqual(await kinds(chain), []);
  });

  Deno.test(`${driver}: a twin that was dropped: how many rows went with it, and one remedy`, async () => {
    await using chain = await chainOf(driver);
    const { core, main } = chain;
    for (const id of [1, 2, 3]) await addNote(core.sql, id, "2031-02-01");
    await settle(chain);
    await main.sql`drop table public.notes`;
    await addNote(core.sql, 4, "2031-02-01");
    await settle(chain);
    const says = "the twin public.notes is gone from main, with 3 of the 3 rows that had come";
    const [wrong] = await core.sql`
      select says, remedy from strata.what_is_wrong() where kind = 'stands_still'`;
    assert.ok(wrong?.says.includes(says), wrong?.says);
    const [check] = await main.sql`
      select says, remedy from strata.validate() where topic = 'dataset notes'`;
    assert.equal(check?.says, says);
    assert.equal(check?.remedy, wrong?.remedy);
    assert.match(check?.remedy, /select strata\.forget_twin\('notes'\);$/);
    await main.sql`select strata.forget_twin('notes')`;
    await core.sql`select strata.end_pauses()`;
    await settle(chain);
    await watch(chain);
    assert.deepEqual(await kinds(chain), []);
    assert.deepEqual(await idsOn(main.sql), [4]);
  });

  Deno.test(`${driver}: failures of a link count as well, until it works again`, async () => {
    await using chain = await chainOf(driver);
    const [dialling, dialled] = driver === "push"
      ? [chain.core, chain.main]
      : [chain.main, chain.core];
    for (let n = 0; n < 6; n += 1) {
      await dialling.sql`select strata.note_link(${dialled.tier}, '08001', 'no answer')`;
    }
    await dialling.sql`select strata.check_alerts()`;
    const [alert] = (await openAlerts(dialling.sql)).filter(({ kind }) => kind === "failed_moves");
    assert.match(alert?.says ?? "", /^6 steps failed .* the link to (core|main): no answer/);
    await dialling.sql`call strata.look()`;
    await watch(chain);
    assert.deepEqual(await kinds(chain), []);
  });
}
