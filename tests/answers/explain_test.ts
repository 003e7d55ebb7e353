import { assertEquals, assertMatch } from "@std/assert";
import type { Sql } from "postgres";
import { testChain } from "../support/chain.ts";
import { testDatabase } from "../support/database.ts";
import { addNote, manage, manageNotes, type Policy } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";

const NOW = "2026-03-01T12:00:00Z";

/** A core whose notes go on to main. */
async function coreWithNotes(policy: Policy = {}) {
  const db = await testDatabase("core");
  await db.freezeClock(NOW);
  await db.sql`select strata.become('core')`;
  await db.sql`select strata.join_tier('main', 'pull')`;
  await manageNotes(db.sql, policy);
  return db;
}

/** What a tier says about a row: topic and sentence. */
async function explained(sql: Sql, dataset = "notes", ...key: string[]): Promise<string[]> {
  const rows = await sql<{ topic: string; says: string }[]>`
    select topic, says from strata.explain(${dataset}, variadic ${key.length > 0 ? key : ["1"]})`;
  return rows.map(({ topic, says }) => `${topic}: ${says}`);
}

Deno.test("explain() says where a row is, why, and what happens to it when", async () => {
  await using db = await coreWithNotes();
  await addNote(db.sql, 1, "2026-02-09T18:00:00Z");
  assertEquals(await explained(db.sql), [
    "where: on core, 19 days old (created_at 2026-02-09 18:00 UTC)",
    "why: its policy keeps it on core for 30 days",
    "next: it moves on to main after 2026-03-11 18:00 UTC",
  ]);
});

Deno.test("explain() says when a row is not on this tier", async () => {
  await using db = await coreWithNotes();
  assertEquals(await explained(db.sql), ["where: not on core"]);
});

const STATES: [string, Policy, string | null, string, string[]][] = [
  [
    "is due",
    {},
    "2026-01-01",
    "",
    [
      "where: on core, 59 days old (created_at 2026-01-01 00:00 UTC)",
      "why: its policy keeps it on core no longer: 30 days were over on 2026-01-31",
      "next: it moves on to main with the next run",
    ],
  ],
  [
    "stays for ever",
    { core_retention_days: null, main_retention_days: null, delete_after_days: null },
    "2026-01-01",
    "",
    [
      "where: on core, 59 days old (created_at 2026-01-01 00:00 UTC)",
      "why: its policy keeps it on core for ever",
      "next: nothing: it stays",
    ],
  ],
  [
    "has no age",
    {},
    null,
    "",
    [
      "where: on core",
      "why: created_at is not set: a row without an age is never due",
      "next: nothing: it stays",
    ],
  ],
  [
    "is from the end of time",
    {},
    "infinity",
    "",
    [
      "where: on core",
      "why: its policy keeps it on core for 30 days from created_at on, which is infinity",
      "next: nothing: it stays",
    ],
  ],
  [
    "is from before all time",
    {},
    "-infinity",
    "",
    [
      "where: on core",
      "why: its policy keeps it on core no longer: 30 days were over long ago",
      "next: it moves on to main with the next run",
    ],
  ],
  [
    "is not ready",
    { due_when: "id > 1" },
    "2026-01-01",
    "",
    [
      "where: on core, 59 days old (created_at 2026-01-01 00:00 UTC)",
      "why: its policy keeps it on core no longer: 30 days were over on 2026-01-31",
      "why: it is not ready: id > 1 does not hold",
      "next: it moves on to main once id > 1 holds",
    ],
  ],
  [
    "is referred to",
    {},
    "2026-01-01",
    `create table public.quotes (note int references public.notes);
     insert into public.quotes values (1)`,
    [
      "where: on core, 59 days old (created_at 2026-01-01 00:00 UTC)",
      "why: its policy keeps it on core no longer: 30 days were over on 2026-01-31",
      "why: a row of public.quotes refers to it by quotes_note_fkey: (0,1)",
      "next: it moves on to main once nothing refers to it",
    ],
  ],
  [
    "is set aside",
    {},
    "2026-01-01",
    "select strata.put_aside('notes', '{1}', '23514', 'main refuses the row: too red')",
    [
      "where: on core, 59 days old (created_at 2026-01-01 00:00 UTC)",
      "why: its policy keeps it on core no longer: 30 days were over on 2026-01-31",
      "why: set aside after 1 attempt: main refuses the row: too red [23514]. on the colder tier, " +
      "with the constraint that the message names: alter table public.notes drop constraint …; " +
      "or mend the row here; then run `deno task strata sync`. Next try 2026-03-01 12:15",
      "next: it moves on to main after 2026-03-01 12:15 UTC",
    ],
  ],
  [
    "is in a dataset that stands still",
    {},
    "2026-01-01",
    "select strata.note_failure('notes', 'ST020', 'the twin is gone')",
    [
      "where: on core, 59 days old (created_at 2026-01-01 00:00 UTC)",
      "why: its policy keeps it on core no longer: 30 days were over on 2026-01-31",
      "why: the whole dataset stands still: the twin is gone [ST020]. restore the table on that tier from a backup; if there is none, make it anew there, without those rows: " +
      "select strata.forget_twin('notes');",
      "next: it moves on to main once that is mended",
    ],
  ],
];

for (const [state, policy, createdAt, sql, expected] of STATES) {
  Deno.test(`explain() has a sentence for a row that ${state}`, async () => {
    await using db = await coreWithNotes(policy);
    await addNote(db.sql, 1, createdAt);
    await db.sql.unsafe(sql);
    assertEquals(await explained(db.sql), expected);
  });
}

Deno.test("explain() names every hold on a row, and no others", async () => {
  await using db = await coreWithNotes();
  await addNote(db.sql, 1, "2026-01-01");
  const [held] = await db.sql`
    select strata.hold('notes', '{1}', p_reason => 'a court asked') as by_key,
           strata.hold('notes', p_condition => 'id = 1', p_reason => 'an audit',
                       p_until => '2026-06-01', p_prevents => 'delete') as by_condition,
           strata.hold('notes', '{2}', p_reason => 'another row'),
           strata.hold('notes', p_condition => 'id = 2', p_reason => 'another row'),
           strata.release(strata.hold('notes', '{1}', p_reason => 'over'))`;
  const says = (await explained(db.sql)).filter((line) => line.startsWith("why: held")).sort();
  assertEquals(says, [
    `why: held since 2026-03-01 against deleting until 2026-06-01: an audit ` +
    `(made on core, where select strata.release('${held?.by_condition}') ends it)`,
    `why: held since 2026-03-01 against moving and deleting: a court asked ` +
    `(made on core, where select strata.release('${held?.by_key}') ends it)`,
  ]);
});

Deno.test("explain() promises no date that a hold makes untrue", async () => {
  await using db = await coreWithNotes();
  await addNote(db.sql, 1, "2026-02-20");
  const next = async () => (await explained(db.sql)).at(-1);
  assertEquals(await next(), "next: it moves on to main after 2026-03-22 00:00 UTC");
  await db.sql`select strata.hold('notes', '{1}', p_reason => 'ours', p_until => '2026-06-01')`;
  assertEquals(await next(), "next: it moves on to main after 2026-06-01 00:00 UTC");
  await db.sql`select strata.hold('notes', '{1}', p_reason => 'a will', p_prevents => 'delete')`;
  assertEquals(await next(), "next: it moves on to main after 2026-06-01 00:00 UTC");
  await db.sql`select strata.hold('notes', '{1}', p_reason => 'a court asked')`;
  assertEquals(
    await next(),
    "next: it moves on to main once that hold is released, and not before 2026-06-01 00:00 UTC",
  );
});

Deno.test("explain() names every table and key that refers to a row, itself not counted", async () => {
  await using db = await coreWithNotes();
  await addNote(db.sql, 1, "2026-01-01");
  await addNote(db.sql, 2, "2026-01-01");
  await db.sql.unsafe(`
    create schema "My Shop";
    create table "My Shop"."Lines" (bill text, pos int, note int constraint "Line note" references public.notes,
      primary key (bill, pos));
    insert into "My Shop"."Lines" select 'b' || n % 2, n, 1 from generate_series(1, 3) as n;
    alter table public.notes add parent int references public.notes;
    update public.notes set parent = 1`);
  const says = (await explained(db.sql)).filter((line) => line.includes("refer"));
  assertEquals(says, [
    'why: 3 rows of "My Shop"."Lines" refer to it by "Line note", such as b0 2',
    "why: a row of public.notes refers to it by notes_parent_fkey: 2",
    "next: it moves on to main once nothing refers to it",
  ]);
});

Deno.test("explain() says that nothing moves on while the next tier does not answer", async () => {
  await using db = await coreWithNotes();
  await addNote(db.sql, 1, "2026-01-01");
  await db.sql`select strata.note_link('main', '08001', 'nothing answers there')`;
  assertEquals((await explained(db.sql)).slice(-2), [
    "why: nothing moves on: the link to main is down: nothing answers there [08001]",
    "next: it moves on to main once that is mended",
  ]);
});

Deno.test("explain() does not take a table that is gone for a row that is not there", async () => {
  await using db = await coreWithNotes();
  await db.sql`drop table public.notes`;
  assertEquals(await explained(db.sql), [
    "where: not known: table public.notes of notes is gone on core",
  ]);
});

Deno.test("explain() says when a row goes on for its size", async () => {
  await using db = await testDatabase("main");
  await db.freezeClock(NOW);
  await db.sql`select strata.become('main')`;
  await db.sql`select strata.join_tier('archive', 'pull')`;
  await manageNotes(db.sql);
  await addNote(db.sql, 1, "2026-02-28", "x".repeat(200_000));
  assertEquals((await explained(db.sql)).slice(-2), [
    "why: it is over the size limit of 100 KB, whatever its age",
    "next: it moves on to archive with the next run",
  ]);
});

Deno.test("explain() says when a row is deleted, and when there is nowhere to go", async () => {
  await using db = await testDatabase("archive");
  await db.freezeClock(NOW);
  await db.sql`select strata.become('archive')`;
  await manageNotes(db.sql);
  await addNote(db.sql, 1, "2020-01-01");
  assertEquals((await explained(db.sql)).at(-1), "next: it is deleted after 2026-12-30 00:00 UTC");

  await db.sql`select strata.become('archive', p_is_last => false)`;
  assertEquals(
    (await explained(db.sql)).at(-1),
    "next: nothing: the chain has no colder tier yet and this one is not its last",
  );
});

Deno.test("explain() says that a row is on its way", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core } = chain;
  await manageNotes(core.sql, { core_retention_days: 0 });
  await core.sql`call strata.move_due()`;
  await addNote(core.sql, 1, "2020-01-01");
  await core.sql`select strata.claim('notes', 'main')`;
  const [move] = await core.sql`select move_id from strata.moves`;
  assertMatch(
    (await explained(core.sql)).at(-1) ?? "",
    new RegExp(`^history: part of move ${move?.move_id} to main, which is claimed since 20`),
  );
});

Deno.test("explain() finds a row by several columns, and whatever they are called", async () => {
  await using db = await coreWithNotes();
  await db.sql`
    create table public.odd (k1 int, "o p" date, created_at date, version int, primary key ("o p", k1))`;
  await manage(db.sql, "public.odd", { due_when: "version = 1 and k1 = 1" });
  await db.sql`insert into public.odd values (1, '2026-02-03', '2026-02-27', 1)`;
  assertEquals(
    (await explained(db.sql, "odd", "2026-02-03", "1"))[0],
    "where: on core, 2 days old (created_at 2026-02-27 00:00 UTC)",
  );
});

Deno.test("explain() refuses a dataset or a key that is none", async () => {
  await using db = await coreWithNotes();
  assertEquals((await refusal(explained(db.sql, "nothing"))).code, "ST011");
  assertEquals(await refusal(explained(db.sql, "notes", "1", "2")), {
    code: "ST050",
    message: 'the key of "notes" is (id), 2 value(s) were given',
    hint: "Give one text per key column, in that order.",
  });
});

Deno.test("explain() names the key column whose value is none of its type", async () => {
  await using db = await coreWithNotes();
  await db.sql.unsafe(`
    create domain public.code as text check (value ~ '^[a-z]$');
    create type public.mood as enum ('good', 'bad');
    create table public.odd (id uuid, n numeric(3, 1), at timestamptz, code public.code, mood public.mood,
      created_at date, primary key (id, n, at, code, mood))`);
  await manage(db.sql, "public.odd");
  const key = ["79aa17b5-0f5c-7b13-1810-311c302da3c0", "1.5", "2026-02-03", "a", "good"];
  assertEquals(await explained(db.sql, "odd", ...key), ["where: not on core"]);
  const types = ["uuid", "numeric(3,1)", "timestamp with time zone", "public.code", "public.mood"];
  const given = ["79aa", "1000", "2026-02-30", "A", "fine"];
  for (const [at, column] of ["id", "n", "at", "code", "mood"].entries()) {
    assertEquals(await refusal(explained(db.sql, "odd", ...key.with(at, given[at] ?? ""))), {
      code: "ST050",
      message: `the key column "${column}" of "odd" is of type ${types[at]}, "${
        given[at]
      }" was given`,
      hint: "Give the value of that column in the row that you mean.",
    });
  }
});
