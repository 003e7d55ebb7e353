/** Conditions cross a link as data: what the grammar can say, what it cannot, and what a neighbour may not. */
import assert from "node:assert/strict";
import { refusal } from "../support/refusal.ts";
import { testDatabase } from "../support/database.ts";

const TABLE = `create table public.things (
  id integer primary key, status text, "Odd col" boolean, done boolean, at timestamptz, body text)`;

/** A condition as its owner wrote it, and the SQL another tier makes of it. */
const SAID: [said: string, written: string][] = [
  ["id > 1", "id > 1"],
  ["status = 'completed'", "status = 'completed'"],
  ["  STATUS='it''s'  ", "status = 'it''s'"],
  ["id = -1.5", "id = -1.5"],
  ["done", "done"],
  ["true", "true"],
  ['not done and "Odd col"', 'not (done) and "Odd col"'],
  [
    "id in (1, 2, 3) or (status is not null and body not like 'open %')",
    "id in (1, 2, 3) or (not (status is null) and not (body like 'open %'))",
  ],
  ["at < now() - interval '30 days'", "at < now() - '30 days'::interval"],
  ["id between 1 and 5 and done is true", "id between 1 and 5 and done is true"],
  ["id not between 1 and 5 or done", "not (id between 1 and 5) or done"],
  ["t.id != 2", "id <> 2"],
  ["not (id = 1 or id = 2) and done", "not (id = 1 or id = 2) and done"],
  ["id = 1 or id = 2 and done", "id = 1 or (id = 2 and done)"],
  ["(((id = 1)))", "id = 1"],
  ["id % 5 <> 0", "(id % 5) <> 0"],
  ["id = (1)", "id = 1"],
  ["id = 1 or 1 / (id - 10) = 5", "id = 1 or (1 / (id - 10)) = 5"],
  ["id + 2 * 3 - 1 = 6", "((id + (2 * 3)) - 1) = 6"],
  ["(id - 1) * 2 in (0, 2)", "((id - 1) * 2) in (0, 2)"],
  ["null", "null"],
];

for (const [said, written] of SAID) {
  Deno.test(`a condition crosses as data: ${said}`, async () => {
    await using db = await testDatabase();
    await db.sql.unsafe(TABLE);
    await db.sql`insert into public.things
      select n, (array['completed', 'open', null, 'it''s'])[n % 4 + 1], n % 3 = 0, n % 2 = 0,
             now() - make_interval(days => n * 10), (array['open x', 'closed', null])[n % 3 + 1]
        from generate_series(-2, 8) as n`;
    const [made] = await db.sql<{ sql: string }[]>`
      select strata.condition_sql(strata.condition_tree(${said}), 'public.things') as sql`;
    assert.equal(made?.sql, written);
    const ids = async (condition: string) =>
      (await db.sql.unsafe<{ id: number }[]>(
        `select t.id from public.things as t where ${condition} order by t.id`,
      )).map(({ id }) => id);
    assert.deepEqual(await ids(written), await ids(said), "both mean the same rows");
  });
}

const UNSAID = [
  "pg_sleep(10) is null",
  "exists (select from pg_class)",
  "id = 1; drop table public.things",
  "id <> all (array[1])",
  "done -- and not",
  "done /* or */",
  "id::text = '1'",
  "status = E'\\\\x'",
  "status = $$x$$",
  "id is not distinct from 1",
  "id = 1 and",
  "(id = 1",
  "id = 1)",
  "not not done",
  "case when done then true end",
  "",
  `${"(".repeat(11)}done${")".repeat(11)}`,
];

for (const condition of UNSAID) {
  Deno.test(`a condition that says more stays where it is: ${condition.slice(0, 40)}`, async () => {
    await using db = await testDatabase();
    const [made] = await db.sql`select strata.condition_tree(${condition}) as tree`;
    assert.equal(made?.tree, null);
  });
}

const FORGED: [what: string, tree: unknown][] = [
  ["a column that is none", {
    op: "=",
    of: [{ column: "1; drop table public.things" }, { number: "1" }],
  }],
  ["a system column", { op: "=", of: [{ column: "ctid" }, { text: "(0,1)" }] }],
  ["a number that is none", { op: "=", of: [{ column: "id" }, { number: "1 or true" }] }],
  ["an operator that is none", { op: "= 1 or id =", of: [{ column: "id" }, { number: "1" }] }],
  ["an end that is none", { is: "null or true", of: [{ column: "id" }] }],
  ["a word that is none", { word: "true or pg_sleep(1) is null" }],
  ["SQL", { sql: "true" }],
  ["two at once", { op: "=", of: [{ column: "id", number: "1" }, { number: "1" }] }],
  ["a list", ["true"]],
  ["a text", "true"],
  ["an empty list", { in: [], of: [{ column: "id" }] }],
  ["terms that are none", { op: "=", of: "id" }],
  ["a sum of nothing", { op: "=", of: [{ op: "+", of: [{ column: "id" }] }, { number: "1" }] }],
  ["no end", Array.from({ length: 60 }).reduce((tree) => ({ not: tree }), { word: "true" })],
];

for (const [what, tree] of FORGED) {
  Deno.test(`a neighbour's condition with ${what} is refused, not run`, async () => {
    await using db = await testDatabase();
    await db.sql.unsafe(TABLE);
    const { code } = await refusal(
      db.sql`select strata.condition_sql(${JSON.stringify(tree)}::text::jsonb, 'public.things')`,
    );
    assert.equal(code, "ST014");
  });
}

Deno.test("a neighbour's text is a literal, whatever stands in it", async () => {
  await using db = await testDatabase();
  await db.sql.unsafe(TABLE);
  const tree = { op: "=", of: [{ column: "status" }, { text: "' or true or '\\" }] };
  const [made] = await db.sql<{ sql: string }[]>`
    select strata.condition_sql(${JSON.stringify(tree)}::text::jsonb, 'public.things') as sql`;
  assert.equal((await db.sql.unsafe(`select from public.things where ${made?.sql}`)).length, 0);
});
