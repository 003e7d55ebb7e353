/** Whoever has a link's password may tell of months, policies and conflicts: what is believed, and what is kept of it. */
import assert from "node:assert/strict";
import { auditAll, mismatches } from "../support/audit.ts";
import { makeNotes, moveTest, settle, THREE_TIERS } from "../support/moves.ts";
import { asNeighbour } from "./support.ts";

const PULL = { drivers: ["pull"] } as const;
const PUSH = { drivers: ["push"] } as const;
const codeOf = (error: { code?: string }) => error.code;
const NO_MONTHS = ["2026-1", "  2026-01", "2026-01 ", "12026-01", "2026-13", "Jan 2026", "", "x"];

moveTest("the book grows by no month that there is not", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core, 3);
  await settle(chain);
  const books = () => main.sql`select month from strata.books order by month`;
  const before = (await books()).map(({ month }) => month);
  await asNeighbour(main, "core", async (sql) => {
    for (const month of NO_MONTHS) {
      const code = await sql`select strata.take_stock('notes', ${month}, null)`.catch(codeOf);
      assert.equal(code, "ST066", month);
    }
  });
  assert.deepEqual((await books()).map(({ month }) => month), before);
}, PUSH);

moveTest(
  "what is said to have been forgotten stops no audit, and holds until the colder tier looks",
  async (chain) => {
    const { core, main, archive } = chain;
    await chain.freezeClock("2026-07-01T00:00:00Z");
    await makeNotes(core, 0);
    await core.sql`
      insert into public.notes values (1, '2024-01-05', 'old'), (2, '2026-03-05', 'kept'), (3, '2026-03-06', 'kept')`;
    await settle(chain);
    await auditAll(chain);
    await main.sql`delete from public.notes where id = 2`;
    await main.sql`select strata.audit_anew()`;
    await main.sql`select strata.audit_step('core', 'notes')`;
    const turn = () =>
      main.sql`
      select step, started_at, months_left from strata.audit_turns where neighbour = 'core'`;
    const before = (await turn()).map((row) => ({ ...row }));
    assert.equal(before[0]?.["step"], "months");
    await asNeighbour(main, "archive", async (sql) => {
      for (const month of NO_MONTHS) {
        const code = await sql`select strata.note_forgotten('notes', ${month}, 1)`.catch(codeOf);
        assert.equal(code, "ST066", month);
      }
      for (const rows of [1, 5, 1]) {
        await sql`select strata.note_forgotten('notes', '2026-03', ${rows})`;
      }
    });
    assert.deepEqual((await turn()).map((row) => ({ ...row })), before);

    await main.sql`call strata.audit()`; // the one that was under way
    const [due] = await main.sql`select strata.audits_due('core', null) as datasets`;
    assert.deepEqual(due?.["datasets"], ["notes"], "and once more, since something was said");
    await main.sql`call strata.audit()`;
    const [done] = await main.sql`select strata.audits_due('core', null) as datasets`;
    assert.deepEqual(done?.["datasets"], []);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 altered"], "the book tells");
    await archive.sql`select strata.audit_anew()`;
    await archive.sql`call strata.audit()`;
    await main.sql`call strata.audit()`;
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 1"]);
  },
  { tiers: THREE_TIERS, ...PULL },
);

moveTest(
  "of a policy that a neighbour says it has, no more is kept than is compared",
  async (chain) => {
    const { core } = chain;
    await makeNotes(core, 3);
    await settle(chain);
    const long = "x".repeat(1_000_000);
    const accepted = [{
      name: "notes",
      revision: "9000000000000000000",
      digest: long,
      content: long,
    }];
    const said = JSON.stringify({ accepted });
    await asNeighbour(core, "main", async (sql) => {
      await sql`select strata.exchange_agreements('main', ${said}::text::jsonb)`;
    });
    const [kept] = await core.sql`
    select length(ahead::text) as length, ahead ->> 'revision' as revision from strata.datasets where name = 'notes'`;
    assert.ok(kept?.["length"] < 500, String(kept?.["length"]));
    assert.equal(kept?.["revision"], "1000000000000000");
    await core.sql`select strata.keep_policy('notes')`;
    await settle(chain);
    const [now] = await core.sql`select ahead from strata.datasets where name = 'notes'`;
    assert.equal(now?.["ahead"], null);
  },
  PULL,
);

moveTest(
  "a tier tells the one before it of no keys but of what settled from there",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 3);
    await settle(chain);
    await main
      .sql`create table public.diary (id bigint primary key, created_at timestamptz not null default now())`;
    await main.sql`insert into public.diary values (1, now())`;
    await main.sql`select strata.manage('public.diary')`;
    await core.sql`create table public.heard (dataset text, keys jsonb)`;
    await core.sql`
    create or replace function strata.conflicts() returns jsonb language sql stable security definer
    as $$ select '{"diary": [["1"], ["2"]], "notes": [["1"], ["99"]]}'::jsonb $$`;
    await core.sql`
    create or replace function strata.end_conflicts(p_dataset text, p_keys jsonb) returns integer language sql security definer
    as $$ insert into public.heard values (p_dataset, p_keys) returning 1 $$`;
    await main.sql`select strata.settle_conflicts('core')`;
    const heard = await core.sql`select dataset, keys from public.heard`;
    assert.deepEqual(heard.map((row) => ({ ...row })), [{ dataset: "notes", keys: [["99"]] }]);
  },
  PULL,
);

moveTest(
  "whoever pushes may have what is there taken for right, but not what is gone",
  async (chain) => {
    const { core, main } = chain;
    await chain.freezeClock("2026-07-01T00:00:00Z");
    await makeNotes(core, 0);
    await core.sql`
    insert into public.notes values (1, '2026-03-05', 'a'), (2, '2026-03-06', 'b'), (3, '2026-03-07', 'c')`;
    await settle(chain);
    await auditAll(chain);
    await main.sql`delete from public.notes where id = 1`;
    await main.sql`update public.notes set body = 'other' where id = 2`;
    await asNeighbour(main, "core", async (sql) => {
      await sql`select strata.take_stock('notes', '2026-03', null)`;
      await sql`select strata.book_stock('notes', '2026-03')`;
    });
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 1"]);
    await main.sql`insert into public.notes values (1, '2026-03-05', 'a')`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 altered"]);
  },
  PUSH,
);
