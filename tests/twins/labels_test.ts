/** Labels of enums that are renamed on core: rows that settled mean what they meant. */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { auditAll, mismatches } from "../support/audit.ts";
import { type MoveChain, moveTest, runOnce, settle, THREE_TIERS } from "../support/moves.ts";
import { troubleOf } from "../support/notes.ts";

const OPEN = "insert into public.orders select g, now() - interval '1000 days', 'open' ";

async function settleOrders(chain: MoveChain, labels = "'open', 'done'"): Promise<void> {
  await chain.core.sql.unsafe(`
    create type public.state as enum (${labels});
    create table public.orders (id int primary key, created_at timestamptz not null, state public.state)`);
  await chain.core.sql`select strata.manage('public.orders', p_delete_after_days => null)`;
  await chain.core.sql.unsafe(`${OPEN} from generate_series(1, 5) as g`);
  await settle(chain);
}

/** Runs until what was told last is known to be wrong; the colder tiers say so in their order. */
async function runTwice(chain: MoveChain): Promise<void> {
  for (let run = 0; run < 2; run++) {
    for (const { sql } of chain.databases) {
      await sql`update strata.datasets set next_try_at = null`;
    }
    await runOnce(chain);
  }
}

/** What the colder tier says, and the statements it ends with. */
async function renamesSaid(sql: Sql): Promise<string> {
  const trouble = await troubleOf(sql, "orders");
  assert.equal(trouble?.code, "ST034", trouble?.says);
  assert.match(trouble.remedy, /run the statements that the message ends with/);
  return /\. On \w+: (.*)$/.exec(trouble.says)?.[1] ?? "";
}

async function statesOn(sql: Sql): Promise<string[]> {
  const rows = await sql<{ is: string }[]>`
    select id || ' ' || state as is from public.orders order by id`;
  return rows.map(({ is }) => is);
}

const open = (label: string) => [1, 2, 3, 4, 5].map((id) => `${id} ${label}`);

moveTest("a renamed label stops its dataset until it is renamed on each tier", async (chain) => {
  const { core, main, archive } = chain;
  await settleOrders(chain);
  await core.sql`alter type public.state rename value 'open' to 'fresh'`;
  await core.sql`insert into public.orders values (6, now() - interval '1000 days', 'fresh')`;
  await runTwice(chain);
  assert.deepEqual(await statesOn(core.sql), ["6 fresh"]);
  assert.deepEqual(await statesOn(archive.sql), open("open"));
  const onMain = await renamesSaid(core.sql);
  assert.equal(onMain, "alter type public.state rename value 'open' to 'fresh';");
  await main.sql.unsafe(onMain);
  await runTwice(chain);
  assert.deepEqual(await statesOn(main.sql), ["6 fresh"]);
  await archive.sql.unsafe(await renamesSaid(main.sql));
  await runTwice(chain);
  assert.deepEqual(await statesOn(archive.sql), [...open("fresh"), "6 fresh"]);
  for (const { sql } of chain.databases) {
    assert.equal(await troubleOf(sql, "orders"), undefined);
  }
}, { tiers: THREE_TIERS });

const RENAMES: Record<string, { on: string; labels: string; now: string; expect: string }> = {
  "two labels that swapped their names": {
    labels: "'open', 'done'",
    on: "open to x, done to open, x to done",
    now: "done",
    expect: "done,open",
  },
  "three labels that passed their names on": {
    labels: "'open', 'done', 'it''s'",
    on: "open to x, done to open, it's to done, x to it's",
    now: "it's",
    expect: "it's,open,done",
  },
  "a label whose name is a new one's now": {
    labels: "'open', 'done'",
    on: "open to fresh, +open",
    now: "fresh",
    expect: "fresh,done,open",
  },
  "a label with quotes and backslashes": {
    labels: "'open', 'done'",
    on: `open to say "\\it's" \\\\`,
    now: `say "\\it's" \\\\`,
    expect: `say "\\it's" \\\\,done`,
  },
};

for (const [what, { on, labels, now, expect }] of Object.entries(RENAMES)) {
  moveTest(`${what}: settled rows mean what they meant`, async (chain) => {
    const { core, main } = chain;
    await settleOrders(chain, labels);
    for (const step of on.split(", ")) {
      const [from, to] = step.startsWith("+") ? [step.slice(1)] : step.split(" to ");
      await core.sql.unsafe(
        to === undefined
          ? `alter type public.state add value '${from}'`
          : `alter type public.state rename value '${from?.replaceAll("'", "''")}'
             to '${to.replaceAll("'", "''")}'`,
      );
    }
    await core.sql`insert into public.orders values (6, now() - interval '1000 days', ${now})`;
    await runTwice(chain);
    assert.deepEqual(await statesOn(main.sql), open("open"));
    await main.sql.unsafe(await renamesSaid(core.sql));
    await runTwice(chain);
    assert.equal(await troubleOf(core.sql, "orders"), undefined);
    assert.deepEqual(await statesOn(main.sql), [...open(now), `6 ${now}`]);
    const [there] = await main.sql`
      select string_agg(enumlabel, ',' order by enumsortorder) as labels
        from pg_enum where enumtypid = 'public.state'::regtype`;
    assert.equal(there?.labels, expect);
  }, { drivers: ["pull"] });
}

moveTest(
  "a name that a colder tier has given to a label of its own is made free",
  async (chain) => {
    const { core, main } = chain;
    await settleOrders(chain);
    await main.sql`alter type public.state add value 'fresh'`;
    await core.sql`alter type public.state rename value 'open' to 'fresh'`;
    await core.sql`insert into public.orders values (6, now() - interval '1000 days', 'fresh')`;
    await runTwice(chain);
    await main.sql.unsafe(await renamesSaid(core.sql));
    await runTwice(chain);
    assert.deepEqual(await statesOn(main.sql), [...open("fresh"), "6 fresh"]);
  },
  { drivers: ["pull"] },
);

moveTest("a hundred renamed labels are renamed in as many messages as it takes", async (chain) => {
  const { core, main } = chain;
  const labels = Array.from({ length: 100 }, (_, at) => `label ${at} ${"x".repeat(40)}`);
  await settleOrders(chain, ["open", ...labels].map((label) => `'${label}'`).join(", "));
  for (const label of labels) {
    await core.sql.unsafe(`alter type public.state rename value '${label}' to '${label} now'`);
  }
  await core.sql`insert into public.orders values (6, now() - interval '1000 days', 'open')`;
  let messages = 0;
  for (;; messages++) {
    await runTwice(chain);
    if (await troubleOf(core.sql, "orders") === undefined) break;
    await main.sql.unsafe(await renamesSaid(core.sql));
    assert.ok(messages < 50);
  }
  assert.ok(messages > 1);
}, { drivers: ["pull"] });

moveTest("labels renamed on every tier are no loss to the audit", async (chain) => {
  await settleOrders(chain);
  await auditAll(chain);
  for (const { sql } of chain.databases) {
    await sql`alter type public.state rename value 'open' to 'fresh'`;
    await sql`alter type public.state rename value 'done' to 'open'`;
  }
  await chain.core
    .sql`insert into public.orders values (6, now() - interval '1000 days', 'fresh')`;
  await settle(chain);
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), []);
}, { drivers: ["pull"] });

const MADE_ANEW: Record<string, { anew: string; says: RegExp | undefined; mend: string }> = {
  "with the same labels": { anew: "'open', 'done'", says: undefined, mend: "" },
  "with one more": { anew: "'open', 'so so', 'done'", says: undefined, mend: "" },
  "without one that rows have": {
    anew: "'fresh', 'done'",
    says: /label 'open' of type public.state is gone from the hotter tier, on main it is still/,
    mend: "alter type public.state rename value 'open' to 'fresh'",
  },
  "without one that shall stay": {
    anew: "'fresh', 'done'",
    says: /label 'open' of type public.state is gone from the hotter tier/,
    mend: "select strata.forget_twin('orders')",
  },
  "in another order": {
    anew: "'done', 'open'",
    says:
      /label 'done' of type public.state stands in another place on the hotter tier than on main/,
    mend: "select strata.forget_twin('orders')",
  },
};

for (const [what, { anew, says, mend }] of Object.entries(MADE_ANEW)) {
  moveTest(`an enum made anew, ${what}, is known by its names`, async (chain) => {
    const { core, main } = chain;
    await settleOrders(chain);
    await core.sql.unsafe(`
      alter type public.state rename to state_before;
      create type public.state as enum (${anew});
      alter table public.orders alter column state type public.state using state::text::public.state;
      drop type public.state_before;
      insert into public.orders values (6, now() - interval '1000 days', 'done')`);
    await runTwice(chain);
    const trouble = await troubleOf(core.sql, "orders");
    if (says === undefined) {
      assert.equal(trouble, undefined);
    } else {
      assert.equal(trouble?.code, "ST035");
      assert.match(trouble.says, says);
      await main.sql.unsafe(mend);
      await runTwice(chain);
      assert.equal(await troubleOf(core.sql, "orders"), undefined);
    }
    assert.equal((await statesOn(main.sql)).at(-1), "6 done");
  }, { drivers: ["pull"] });
}

moveTest("a dataset that joins after the rename hears of it as well", async (chain) => {
  const { core, main } = chain;
  await settleOrders(chain);
  await core.sql`alter type public.state rename value 'open' to 'fresh'`;
  await core.sql.unsafe(`
    create domain public.state_of_order as public.state;
    create table public.returns (id int primary key, created_at timestamptz not null, states public.state_of_order[]);
    insert into public.returns values (1, now() - interval '60 days', '{fresh}')`);
  await core.sql`select strata.manage('public.returns', p_delete_after_days => null)`;
  await runTwice(chain);
  assert.equal((await troubleOf(core.sql, "returns"))?.code, "ST034");
  await main.sql`alter type public.state rename value 'open' to 'fresh'`;
  await runTwice(chain);
  const [row] = await main.sql`select states::text as states from public.returns`;
  assert.equal(row?.states, "{fresh}");
}, { drivers: ["pull"] });

const STRANGERS: Record<string, { there: string; table?: string; grows: boolean }> = {
  "that begins with the same labels": { there: "'open'", grows: true },
  "that has other labels first": { there: "'lent', 'open'", grows: false },
  "that lacks one in between": { there: "'open', 'gone'", grows: false },
  "of an empty table that becomes the twin": {
    there: "'lent', 'open'",
    table:
      "create table public.orders (id int primary key, created_at timestamptz not null, state public.state)",
    grows: true,
  },
};

for (const [what, { there, table = "", grows }] of Object.entries(STRANGERS)) {
  moveTest(
    `an enum of main's own ${what} ${grows ? "gets" : "is given no"} labels`,
    async (chain) => {
      const { core, main } = chain;
      await main.sql.unsafe(`create type public.state as enum (${there}); ${table}`);
      await core.sql.unsafe(`
      create type public.state as enum ('open', 'done');
      create table public.orders (id int primary key, created_at timestamptz not null, state public.state);
      ${OPEN} from generate_series(1, 5) as g`);
      await core.sql`select strata.manage('public.orders', p_delete_after_days => null)`;
      await runTwice(chain);
      const trouble = await troubleOf(core.sql, "orders");
      if (grows) {
        assert.equal(trouble, undefined);
      } else {
        assert.equal(trouble?.code, "ST026");
        const statement = /on main: (.*);$/.exec(trouble.says)?.[1];
        assert.equal(statement, "alter type public.state add value 'done' after 'open'");
        await main.sql.unsafe(statement);
        await runTwice(chain);
      }
      assert.deepEqual(await statesOn(main.sql), open("open"));
    },
    { drivers: ["pull"] },
  );
}
