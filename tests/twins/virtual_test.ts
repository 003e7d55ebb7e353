/** Twins with virtual columns, which PostgreSQL 18 has: they keep no value that could be given to them. */
import assert from "node:assert/strict";
import { readMajors } from "../../local/settings.ts";
import { testChain } from "../support/chain.ts";
import { endPauses, idsOf, runOnce, setAsideOn, settle, troubleOf } from "../support/moves.ts";
import { statementsOf } from "../remedies/support.ts";

const hasVirtual = (readMajors(Deno.env.get("STRATA_PG") ?? "").main ?? 15) >= 18;

const TABLE = (computed: string) =>
  `create table public.sums (
  id int primary key, created_at timestamptz, label text, value text ${computed})`;

/** What core has of its column, and what main computes. */
const CASES: Record<string, [core: string, main: string, code: string]> = {
  "computed as another virtual column": [
    "generated always as (upper(label)) virtual",
    "generated always as (lower(label)) virtual",
    "ST039",
  ],
  "computed as a stored column": [
    "generated always as (upper(label)) stored",
    "generated always as (lower(label)) virtual",
    "ST039",
  ],
  "not computed": ["", "generated always as (lower(label)) virtual", "ST039"],
  "virtual, and stored on the colder tier": [
    "generated always as (upper(label)) virtual",
    "generated always as (lower(label)) stored",
    "ST038",
  ],
};

for (const [what, [onCore, onMain, code]] of Object.entries(CASES)) {
  Deno.test({
    name: `a virtual column that core has ${what}: its remedy ends it`,
    ignore: !hasVirtual,
    fn: async () => {
      await using databases = await testChain({ tiers: ["core", "main"] });
      const chain = Object.assign(databases, { driver: "push" as const });
      const { core, main } = chain;
      await core.sql.unsafe(TABLE(onCore));
      await main.sql.unsafe(TABLE(onMain));
      await main.sql`insert into public.sums (id, created_at, label) values (7, now(), 'There')`;
      await main.sql`select strata.allow_twin('public.sums')`;
      await core.sql`select strata.manage('public.sums', p_delete_after_days => null)`;
      await core.sql`insert into public.sums (id, created_at, label)
        select g, now() - interval '60 days', 'Some' from generate_series(1, 3) as g`;
      await runOnce(chain);
      assert.deepEqual(await idsOf(core, "public.sums"), [1, 2, 3]);
      const trouble = await troubleOf(core, "sums");
      assert.equal(trouble?.code, code);
      const fill = code === "ST038" ? ["value"] : ["text", "value", "value", "value"];
      for (const statement of statementsOf(trouble?.remedy ?? "", fill)) {
        assert.ok(!statement.includes("…"), statement);
        await main.sql.unsafe(statement);
      }
      await endPauses(chain);
      await settle(chain);
      assert.deepEqual(await setAsideOn(core), []);
      const rows = await main.sql`select id, value from public.sums order by id`;
      const expected = onCore === "" ? null : "SOME";
      assert.deepEqual(rows.map(({ value }) => value), [expected, expected, expected, "there"]);
    },
  });
}
