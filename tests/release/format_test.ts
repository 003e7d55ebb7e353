import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { compose, releasePlan } from "../../cli/release/compose.ts";
import { faultsOf, formatSql, WIDTH } from "../../cli/release/format/format.ts";
import { tokensOf } from "../../cli/release/format/lexer.ts";
import { numberArguments, unnumberedLines } from "../../cli/release/format/numbers.ts";
import { difference, said } from "../../cli/release/format/proof.ts";
import { pushFiles } from "../../cli/lib/supabase.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { schemaFiles } from "../support/schemas.ts";
import { everyTable } from "../upgrade/dump.ts";
import { emptyDatabase } from "../upgrade/support.ts";

Deno.test("what fits stays as its author has set it", () => {
  const text = "create function f()\nas $$\n  select  1,   -- one\n         2\n$$;\n";
  assertEquals(formatSql(text), text);
  assertEquals(formatSql("select 1;  \n\n\n\n\tselect 2;\n\n"), "select 1;\n\n  select 2;\n");
});

Deno.test("a query is broken at its clauses, which end where the head of it ends", () => {
  assertEquals(
    formatSql(
      "select a.first, a.second from strata.as_it_is as a where a.first = 1 and a.second = 2;\n",
      40,
    ),
    "select a.first, a.second\n  from strata.as_it_is as a\n where a.first = 1 and a.second = 2;\n",
  );
  assertEquals(
    formatSql("insert into strata.moves (a, b) values (1, 2) on conflict do nothing;\n", 40),
    "insert into strata.moves (a, b)\nvalues (1, 2) on conflict do nothing;\n",
  );
});

Deno.test("arguments stand below the first one, parts of a case below its first when", () => {
  assertEquals(
    formatSql("select strata.call(first_argument, second_argument, third);\n", 40),
    "select strata.call(first_argument,\n                   second_argument,\n                   third);\n",
  );
  assertEquals(
    formatSql("select case when a.kind = 'move' then 'moves' else 'stays where it is' end;\n", 48),
    "select case when a.kind = 'move' then 'moves'\n            else 'stays where it is' end;\n",
  );
});

Deno.test("lines that were aligned with what has moved move with it", () => {
  assertEquals(
    formatSql(
      "select a, strata.with_a_long_name(argument, other) as b, (select x from y\n" +
        "                                                           where z) as c;\n",
      60,
    ),
    "select a, strata.with_a_long_name(argument, other) as b,\n       (select x from y\n" +
      "         where z) as c;\n",
  );
});

Deno.test("a string that is too long goes on as another piece; prose is filled anew, SQL keeps its lines", () => {
  assertEquals(
    formatSql("comment on table a is 'What is told of it in one line, and\n  that''s all.';\n"),
    "comment on table a is 'What is told of it in one line, and\n  that''s all.';\n",
  );
  assertEquals(
    formatSql(
      "comment on table a is\n  'What is told of it in one long line, that is broken '\n  'and filled';\n",
      40,
    ),
    "comment on table a is\n  'What is told of it in one long '\n  'line, that is broken and filled';\n",
  );
  assertEquals(
    formatSql(
      "begin\n  execute 'select a, b from c as d where e and f '\n          '  for update';\nend\n",
      40,
    ),
    "begin\n  execute 'select a, b '\n          'from c as d where e and f '\n          '  for update';\nend\n",
  );
});

Deno.test("comments are wrapped at words; one behind a line that is too long stands above it", () => {
  assertEquals(
    formatSql(
      "-- One and two and three.\n--\n-- Four and five and\n-- six and seven and eight.\n",
      24,
    ),
    "-- One and two and\n-- three.\n--\n-- Four and five and six\n-- and seven and eight.\n",
  );
  assertEquals(
    formatSql("do $$\nbegin\n  perform f(); -- because of something\nend\n$$;\n", 30),
    "do $$\nbegin\n  -- because of something\n  perform f();\nend\n$$;\n",
  );
  assertEquals(
    formatSql("--  ├──▶ a picture\n--  └──▶ of it\n", 12),
    "--  ├──▶ a picture\n--  └──▶ of it\n",
  );
  assertEquals(
    formatSql("--   one   two, a picture\nselect 1;\n"),
    "--   one   two, a picture\nselect 1;\n",
  );
});

Deno.test("tokens are told apart as Postgres does", () => {
  const kinds = (text: string) => tokensOf(text).map(({ kind, text }) => `${kind} ${text}`);
  assertEquals(kinds(`E'it\\'s' 'it''s' "a""b" $1 a$b`), [
    ...["string E'it\\'s'", "string 'it''s'", 'name "a""b"', "word $1", "word a$b"],
  ]);
  assertEquals(kinds("as $$ a $x$ '$$' $x$ $$"), [
    ...["word as", "open $$", "word a", "opaque $x$ '$$' $x$", "close $$"],
  ]);
  assertEquals(kinds("a--b\n/* c /* */-1..2"), [
    ...["word a", "comment --b", "comment /* c /* */", "mark -", "number 1", "mark ..", "number 2"],
  ]);
});

Deno.test("the proof tells what a formatter may not do", () => {
  assertEquals(difference("select 1", "select\n  1"), undefined);
  assertEquals(difference("select 'a b'", "select 'a '\n  'b'"), undefined);
  assertEquals(difference("f(); -- a b", "-- a\n-- b\nf();"), undefined);
  for (
    const [before, after] of [
      ["select 'a b'", "select 'a'\n 'b'"],
      ["select 'a'", "select 'A'"],
      ["-- a\nselect 1", "-- a select 1"],
      ["-- a b\nselect 1", "-- a\nselect 1"],
      ["select a - - b", "select a --b"],
      ["do $$ begin end $$", "do $$ begin $$"],
      ["select $r$a b$r$", "select $r$a  b$r$"],
      ['select "a b"', 'select "a  b"'],
      ["select a, b", "select b, a"],
    ] as const
  ) assert(difference(before, after) !== undefined, after);
  assertThrows(() => said("select 'a' 'b'"), Error, "a string behind a string");
});

Deno.test("arguments of format() are numbered, and a name is given once", () => {
  assertEquals(
    numberArguments("select format('%I.%-5s %% of %L', a, b.c, a);"),
    "select format('%1$I.%2$-5s %% of %1$L', a, b.c);",
  );
  assertEquals(
    numberArguments("select format('%s ' -- why\n '%s', f(x), f(x));"),
    "select format('%1$s ' -- why\n '%2$s', f(x), f(x));",
  );
  assertEquals(
    numberArguments("select format('a %s %s', format('%I.%I', a, b), 'it is %s, %s');"),
    "select format('a %1$s %2$s', format('%1$I.%2$I', a, b), 'it is %s, %s');",
  );
  for (
    const same of [
      "select format('%s', a);",
      "select format('%2$s %1$s', a, b);",
      "do $$ begin raise exception '% of %', a, b using errcode = 'ST001'; end $$;",
      "select a.format, to_char(b, '%s %s');",
      "select format(case when a then '%s and %s' else '%s or %s' end, b, c);",
    ]
  ) assertEquals(numberArguments(same), same);
});

Deno.test("a format() that is not numbered is found, also where its text is put together", () => {
  assertEquals(unnumberedLines("select format('%s', a);\nselect format('%1$s %2$s', a, b);"), []);
  assertEquals(unnumberedLines("select 1;\nselect format(case when a then '%s %s' end, b, c);"), [
    2,
  ]);
  assertEquals(unnumberedLines("select format('%s' || x || '%s', b, c);"), [1]);
  assertEquals(unnumberedLines("execute 'select '\n 'format(''%s %s'', a, b)';"), [1]);
  assertEquals(unnumberedLines("execute 'select format(''%1$s %2$s'', a, b)';"), []);
});

Deno.test("supabase/schemas is laid out, and format() numbers its arguments: else deno task fmt:sql", async () => {
  const wrong = [];
  for await (const { path, text } of schemaFiles()) {
    if (formatSql(text) !== text) wrong.push(`${path}: deno task fmt:sql`);
    wrong.push(...faultsOf(text).map((fault) => `${path}, ${fault}`));
  }
  assertEquals(wrong, []);
});

Deno.test("no line of a release is longer than 110 columns", async () => {
  const plan = await releasePlan();
  for (const product of plan.releases) {
    const lines = (await compose(plan, product)).split("\n");
    assertEquals(lines.filter((line) => line.length > WIDTH), [], product.file);
  }
});

Deno.test("Postgres makes the same of a release, however wide its lines are", async () => {
  const plan = await releasePlan();
  const files = await Promise.all(plan.releases.map(async (product) => ({
    name: product.file,
    text: formatSql(await compose(plan, product), 80),
  })));
  assertStringIncludes(files[0]?.text ?? "", "\nbegin\n");
  await using narrow = await emptyDatabase("core");
  await pushFiles(narrow.url, files);
  await using wide = await testDatabase("core");
  const [one, other] = [await madeOf(narrow), await madeOf(wide)];
  assert(one.filter((says) => says.startsWith("function")).length > 400);
  assertEquals(one.filter((says) => !other.includes(says)), []);
  assertEquals(one.length, other.length);
});

/** What Postgres has made of a release, a sentence each; the bodies of routines without their space. */
async function madeOf({ sql }: TestDatabase): Promise<string[]> {
  const routines = await sql<{ name: string; body: string }[]>`
    select p.oid::regprocedure::text as name, p.prosrc as body from pg_proc as p
     where p.pronamespace = 'strata'::regnamespace`;
  const others = await sql<{ says: string }[]>`
    select pg_describe_object(d.classoid, d.objoid, d.objsubid) || ': ' || d.description as says
      from pg_description as d
     where pg_describe_object(d.classoid, d.objoid, d.objsubid) ~ ' strata[.]'
    union all
    select conname || ': ' || pg_get_constraintdef(oid) from pg_constraint
     where connamespace = 'strata'::regnamespace
    union all
    select adrelid::regclass || ': ' || pg_get_expr(adbin, adrelid) from pg_attrdef`;
  const tables = await everyTable(sql, ["strata"]);
  const seeds = ["errors", "settings", "schedules", "alert_kinds", "quotas", "registry"];
  return [
    ...routines.map(({ name, body }) =>
      `function ${name}: ${said(numberArguments(body)).code.join(" ")}`
    ),
    ...others.map(({ says }) => says),
    ...seeds.flatMap((name) => tables[`strata.${name}`] ?? []),
  ];
}
