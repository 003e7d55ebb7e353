import { assertEquals } from "@std/assert";
import { testDatabase } from "../support/database.ts";
import { manage, type Policy } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";

/** A table that cannot be managed as it is, and what its owner is told. */
interface Case {
  what: string;
  sql: string;
  relation?: string;
  policy?: Policy;
  code?: string;
  message: string;
  hint: string;
}

const TABLE = "create table public.things (id int primary key, created_at timestamptz);";
const ORDINARY = "Manage an ordinary table.";
const OF_YOUR_OWN = "Manage a table of your own.";
const POINT_IN_TIME =
  "Name a column of type timestamptz, timestamp or date: p_age_column in SQL, --age, or age_column in strata.yaml.";
const NO_OBJECTS =
  "Keep the content in a bytea column, or the reference as bigint if nothing hangs on it.";
const DECIDE = "A move deletes here what it has brought to the colder tier. Call strata.manage() " +
  "with p_delete_triggers => 'fire' (let them) or 'skip' (they are made to look away while " +
  "Strata deletes).";
const DAYS =
  "Write whole days from 0 to 100000; null or -1 means never, left out it stays as it is.";
const GROW = "retentions are whole days that grow down the chain; null or -1 means never";

const CASES: Case[] = [
  {
    what: "a view",
    sql: "create view public.things as select 1 as id, now() as created_at;",
    message: "public.things is a view",
    hint: "Manage the table that holds the rows.",
  },
  {
    what: "a view with a delete trigger, also when told to skip it",
    sql: `create view public.things as select 1 as id, now() as created_at;
      create function public.f() returns trigger language plpgsql as 'begin return old; end';
      create trigger t instead of delete on public.things for each row execute function public.f();`,
    policy: { delete_triggers: "skip" },
    message: "public.things is a view",
    hint: "Manage the table that holds the rows.",
  },
  {
    what: "a materialized view",
    sql: "create materialized view public.things as select 1 as id, now() as created_at;",
    message: "public.things is a materialized view",
    hint: "Manage the table that holds the rows.",
  },
  {
    what: "a foreign table",
    sql: `create server far foreign data wrapper postgres_fdw;
      create foreign table public.things (id int, created_at timestamptz) server far;`,
    message: "public.things is a foreign table",
    hint: "Manage the table that holds the rows.",
  },
  {
    what: "a partitioned table",
    sql: `create table public.things (id int, created_at timestamptz, primary key (id, created_at))
        partition by range (created_at);`,
    message: "public.things is a partitioned table",
    hint: "Drop old partitions instead.",
  },
  {
    what: "a table with children",
    sql: `${TABLE} create table public.more () inherits (public.things);`,
    message: "public.things takes part in table inheritance",
    hint: "Manage a table without parents or children.",
  },
  {
    what: "a table with parents",
    sql: `${TABLE} create table public.more (primary key (id)) inherits (public.things);`,
    relation: "public.more",
    message: "public.more takes part in table inheritance",
    hint: "Manage a table without parents or children.",
  },
  {
    what: "a table with a rule for deletions",
    sql: `${TABLE} create rule soft as on delete to public.things do instead
        update public.things set created_at = null where id = old.id returning things.*;`,
    message: 'public.things has rule "soft", which is followed when a row is deleted',
    hint: "Drop it, and use a trigger instead: drop rule soft on public.things",
  },
  {
    what: "a temporary table",
    sql: "create temporary table things (id int primary key, created_at timestamptz);",
    relation: "pg_temp.things",
    message: "things is a temporary table",
    hint: ORDINARY,
  },
  {
    what: "a table of Strata's own",
    sql: "",
    relation: "strata.moves",
    policy: { age_column: "started_at" },
    message: "strata.moves belongs to Postgres or to Strata itself",
    hint: OF_YOUR_OWN,
  },
  {
    what: "a table of Postgres's own",
    sql: "",
    relation: "pg_catalog.pg_class",
    message: "pg_class belongs to Postgres or to Strata itself",
    hint: OF_YOUR_OWN,
  },
  {
    what: "a table without a primary key",
    sql: "create table public.things (id int unique not null, created_at timestamptz);",
    message: "public.things has no primary key",
    hint: "Add one: rows are followed by it from tier to tier.",
  },
  {
    what: "a table without an age column",
    sql: "create table public.things (id int primary key, born timestamptz);",
    message: 'public.things has no column "created_at" to tell a row\'s age by',
    hint: POINT_IN_TIME,
  },
  {
    what: "an age column that was dropped",
    sql: `${TABLE} alter table public.things drop column created_at;`,
    message: 'public.things has no column "created_at" to tell a row\'s age by',
    hint: POINT_IN_TIME,
  },
  {
    what: "an age column that is no point in time",
    sql: "create table public.things (id int primary key, created_at varchar(30));",
    message: 'column "created_at" of public.things is character varying(30), ' +
      "which is not a point in time",
    hint: POINT_IN_TIME,
  },
  {
    what: "a column of type oid",
    sql: "create table public.things (id int primary key, created_at date, scan oid);",
    message: 'column "scan" of public.things is of type oid: large objects cannot cross',
    hint: NO_OBJECTS,
  },
  {
    what: "a column of several oids",
    sql: "create table public.things (id int primary key, created_at date, scans oid[]);",
    message: 'column "scans" of public.things is of type oid[]: large objects cannot cross',
    hint: NO_OBJECTS,
  },
  {
    what: "a column of type lo",
    sql: `create domain public.lo as oid;
      create table public.things (id int primary key, created_at date, scan public.lo);`,
    message: 'column "scan" of public.things is of type public.lo: large objects cannot cross',
    hint: NO_OBJECTS,
  },
  {
    what: "a table whose rows others die with",
    sql: `${TABLE} create table public.parts
        (thing int constraint belongs references public.things on delete cascade);`,
    message: "deleting a row of public.things would delete rows of public.parts " +
      "(foreign key belongs, on delete cascade)",
    hint: "Make it on delete restrict or no action: " +
      "alter table public.parts drop constraint belongs, and add it again.",
  },
  {
    what: "delete triggers without a decision",
    sql: `${TABLE}
      create function public.f() returns trigger language plpgsql as 'begin return old; end';
      create trigger sweep after delete on public.things for each row execute function public.f();
      create trigger "Clean Up" before insert or delete on public.things
        for each statement execute function public.f();
      create trigger unrelated after update on public.things execute function public.f();`,
    code: "ST013",
    message: "public.things has triggers that fire on delete: Clean Up, sweep",
    hint: DECIDE,
  },
  {
    what: "a decision about delete triggers that is none",
    sql: TABLE,
    policy: { delete_triggers: "maybe" },
    code: "ST012",
    message: 'p_delete_triggers is "maybe"',
    hint: "Say 'fire' or 'skip', or leave it out for a table without delete triggers.",
  },
  {
    what: "a condition over a column that is not there",
    sql: TABLE,
    policy: { due_when: "colour = 'red'" },
    code: "ST014",
    message: `the condition "colour = 'red'" does not fit public.things: ` +
      'column "colour" does not exist',
    hint: "write it as you would in a WHERE clause",
  },
  {
    what: "retentions that shrink down the chain",
    sql: TABLE,
    policy: { core_retention_days: 30, main_retention_days: 7 },
    code: "ST012",
    message:
      'the policy of "things" makes no sense: core_retention_days is 30, main_retention_days is 7',
    hint: "Ages grow down the chain: make main_retention_days 30 or more, or never, " +
      "or core_retention_days 7 or less.",
  },
  {
    what: "rows that never leave core and leave main",
    sql: TABLE,
    policy: { core_retention_days: null },
    code: "ST012",
    message:
      'the policy of "things" makes no sense: core_retention_days is never, main_retention_days is 365',
    hint: "Ages grow down the chain: make main_retention_days never as well, " +
      "or core_retention_days 365 or less.",
  },
  {
    what: "rows that would be deleted before they leave main",
    sql: TABLE,
    policy: { delete_after_days: 100 },
    code: "ST012",
    message:
      'the policy of "things" makes no sense: main_retention_days is 365, delete_after_days is 100',
    hint: "Ages grow down the chain: make delete_after_days 365 or more, or never, " +
      "or main_retention_days 100 or less.",
  },
  {
    what: "rows that would be deleted before they leave core",
    sql: TABLE,
    policy: { core_retention_days: 30, main_retention_days: null, delete_after_days: 7 },
    code: "ST012",
    message:
      'the policy of "things" makes no sense: core_retention_days is 30, delete_after_days is 7',
    hint: "Ages grow down the chain: make delete_after_days 30 or more, or never, " +
      "or core_retention_days 7 or less.",
  },
  {
    what: "a negative retention",
    sql: TABLE,
    policy: { core_retention_days: -2 },
    code: "ST012",
    message: 'the policy of "things" makes no sense: core_retention_days is -2',
    hint: DAYS,
  },
  {
    what: "a retention longer than the calendar",
    sql: TABLE,
    policy: { delete_after_days: 2147483647 },
    code: "ST012",
    message: 'the policy of "things" makes no sense: delete_after_days is 2147483647',
    hint: DAYS,
  },
  {
    what: "a size limit of nothing",
    sql: TABLE,
    policy: { size_limit_kb: 0 },
    code: "ST012",
    message: 'the policy of "things" makes no sense: new row for relation "datasets" violates ' +
      'check constraint "datasets_size_limit_is_positive"',
    hint: GROW,
  },
];

for (const { what, sql, relation, policy, code, message, hint } of CASES) {
  Deno.test(`manage() refuses ${what}`, async () => {
    await using db = await testDatabase("core");
    const session = db.connect({ max: 1 }); // temporary tables belong to one session
    await session`select strata.become('core')`;
    await session.unsafe(sql);
    const refused = await refusal(manage(session, relation ?? "public.things", policy));
    assertEquals(refused, { code: code ?? "ST010", message, hint });
  });
}

const NOT_CONDITIONS = [
  "",
  "id",
  "id =",
  "id = 1 -- so",
  "id = 1) or (id = 2",
  "id = 1]::boolean[])[1] or (array[id = 2",
  "id = 'one'",
  "count(*) > 1",
  "row_number() over () = 1",
  "generate_series(1, 2) = 1",
  "id = (select missing.id from public.missing)",
  "nowhere.f(id)",
  "1 / 0 = id",
  "other.id = 1",
];

for (const due_when of NOT_CONDITIONS) {
  Deno.test(`manage() refuses the condition: ${due_when || "(nothing)"}`, async () => {
    await using db = await testDatabase("core");
    await db.sql`select strata.become('core')`;
    await db.sql.unsafe(TABLE);
    const { code } = await refusal(manage(db.sql, "public.things", { due_when }));
    assertEquals(code, "ST014");
  });
}

Deno.test("manage() takes conditions of any length and with the row's own name", async () => {
  await using db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  await db.sql.unsafe(TABLE);
  const due_when = "t.id % 2 = 0 and (created_at is null or exists (select from pg_class))";
  assertEquals(await manage(db.sql, "public.things", { due_when }), "things");
});
