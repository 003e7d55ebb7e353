/** Tables that are odd in one way each: further columns, names in the way, conditions that fail. */
import assert from "node:assert/strict";
import {
  assertAtPeace,
  endPauses,
  idsOf,
  type MoveChain,
  moveTest,
  runOnce,
  setAsideOn,
  settle,
  startJourney,
  troubleOf,
} from "../support/moves.ts";

const AGE = "created_at timestamptz not null default now() - interval '100 days'";

/** Further columns of a twin, before or after those that core knows. */
const FURTHER: Record<string, string> = {
  "with a name that needs quotes": `id int primary key, v text not null, ${AGE}, "No""te" text`,
  "that counts":
    `n bigint generated always as identity, id int primary key, v text not null, ${AGE}`,
  "that is computed":
    `id int primary key, v text not null, up text generated always as (upper(v)) stored, ${AGE}`,
  "with a default": `id int primary key, n int not null default 5, v text not null, ${AGE}`,
};

for (const [what, columns] of Object.entries(FURTHER)) {
  moveTest(
    `a row that a twin with a further column ${what} refuses keeps no other`,
    async (chain) => {
      const { core, main } = chain;
      await main.sql.unsafe(`create table public.notes (${columns})`);
      await core.sql.unsafe(`
      create table public.notes (id int primary key, gone int, v text, ${AGE});
      alter table public.notes drop column gone;
      insert into public.notes (id, v) select g, case when g <> 7 then 'v' end from generate_series(1, 20) as g`);
      await core.sql`select strata.manage('public.notes', p_delete_after_days => null)`;
      await settle(chain);
      assert.deepEqual([await idsOf(core), (await idsOf(main)).length], [[7], 19]);
      const [aside] = await setAsideOn(core);
      assert.deepEqual([aside?.key, aside?.code], ["7", "23502"]);
      // One that is there already, and a new one.
      await core.sql.unsafe(`insert into public.notes (id, v) values (21, 'v')`);
      const [back] = await main.sql`select created_at::text as age from public.notes where id = 5`;
      await core.sql`
      insert into public.notes (id, v, created_at) values (5, 'v', ${back?.age}::text::timestamptz)`;
      await settle(chain);
      assert.deepEqual([await idsOf(core), (await idsOf(main)).length], [[7], 20]);
    },
  );
}

/** Names that Strata's own queries use for what is not the owner's. */
const NAMES = ["tid", "version", "mark", "proof", "o", "m", "t", "r", "k1", "place", "part", "line"]
  .concat(["keys", "f", "w", "tids", "bytes", "n", "l", "u", "c1", "age", "month", "content"]);

moveTest("a condition names columns that are called like what surrounds it", async (chain) => {
  const { core, main } = chain;
  const columns = NAMES.map((name) => `${name} int default 1`).join(", ");
  const readiness = NAMES.map((name) => `${name} > 0`).join(" and ");
  await core.sql.unsafe(`
    create table public.notes (id int primary key, ${AGE}, ${columns}, prev_id int references public.notes);
    create table public.pins (note int references public.notes);
    insert into public.notes (id, prev_id) select g, nullif(g - 1, 0) from generate_series(1, 9) as g`);
  await core.sql`
    select strata.manage('public.notes', p_delete_after_days => null, p_due_when => ${readiness})`;
  const journey = await startJourney(chain);
  await journey.until("purge");
  await core.sql`update public.notes set place = 2 where id = 5`;
  await settle(chain);
  assert.deepEqual([await idsOf(core), (await idsOf(main)).length], [[], 9]);
  await assertAtPeace(chain);
});

/** What an owner's function may raise. */
const RAISES: Record<string, string> = {
  "an error of its own": "raise exception 'no' using errcode = 'ZZ001';",
  "an error like Strata's": "raise exception 'no' using errcode = 'ST040';",
  "no end": "perform public.fails(1);",
};

for (const [what, body] of Object.entries(RAISES)) {
  moveTest(
    `a condition that raises ${what} keeps no other dataset, nor any answer`,
    async (chain) => {
      const { core, main } = chain;
      await core.sql.unsafe(`
      create table public.notes (id int primary key, ${AGE});
      create table public.bad (id int primary key, ${AGE});
      create function public.fails(bigint) returns boolean language plpgsql as $$ begin
        ${body} return true; end $$;
      insert into public.bad values (1); insert into public.notes values (1)`);
      await core.sql`select strata.manage('public.bad', p_due_when => 'public.fails(id)')`;
      await core.sql`select strata.manage('public.notes')`;
      const plans = await core.sql`select dataset, rows_now from strata.plan() order by 1`;
      assert.deepEqual(plans.map((p) => [p.dataset, p.rows_now]), [["bad", null], ["notes", "1"]]);
      await core.sql`select strata.status()`;
      await core.sql`select strata.validate()`;
      await core.sql`select strata.explain('bad', '1')`;
      await core.sql`call strata.watchdog()`;
      await runOnce(chain);
      await endPauses(chain);
      await runOnce(chain);
      assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1]]);
      assert.ok(await troubleOf(core, "bad"), "the dataset says what is wrong");
    },
    { drivers: ["push", "pull"] },
  );
}

/** Causes of a trouble, and how they go without a row being due any more. */
const CAUSES: Record<string, { cause: string; ends: string; at: "core" | "main" }> = {
  "of a claim": {
    at: "core",
    cause: "create rule keep as on delete to public.notes do instead nothing",
    ends: "drop rule keep on public.notes",
  },
  "of a copy": {
    at: "main",
    cause: "alter table public.notes set unlogged",
    ends: "alter table public.notes set logged",
  },
  "of a twin that was changed": {
    at: "main",
    cause: "alter table public.notes alter column v type varchar(3)",
    ends: "alter table public.notes alter column v type text",
  },
};

for (const [what, { cause, ends, at }] of Object.entries(CAUSES)) {
  moveTest(`a trouble ${what} ends with its cause, though nothing is due`, async (chain) => {
    await troubledWithoutRows(chain, at, cause, ends);
  });
}

async function troubledWithoutRows(
  chain: MoveChain,
  at: "core" | "main",
  cause: string,
  ends: string,
) {
  const { core } = chain;
  await core.sql.unsafe(`create table public.notes (id int primary key, v text, ${AGE});
    insert into public.notes values (1, 'v')`);
  await core.sql`select strata.manage('public.notes', p_delete_after_days => null)`;
  await settle(chain);
  await chain[at].sql.unsafe(cause);
  await core.sql.unsafe("insert into public.notes values (2, 'v')");
  await runOnce(chain);
  assert.ok(await troubleOf(core));
  await core.sql`update public.notes set created_at = now()`; // nothing is due
  await chain[at].sql.unsafe(ends);
  await endPauses(chain);
  await runOnce(chain);
  assert.equal(await troubleOf(core), undefined);
}
