import { assertEquals } from "@std/assert";
import { type Driver, type TestChain, testChain } from "../support/chain.ts";
import { addNote, idsOn, manage, manageNotes, settle, troubleOf } from "../support/notes.ts";

/** A chain with a settled dataset, "notes", and another that must go on whatever happens to it. */
async function settledChain(driver: Driver = "push"): Promise<TestChain> {
  const chain = await testChain({ driver });
  const { sql } = chain.core;
  const policy = { core_retention_days: 0, main_retention_days: 0 };
  await manageNotes(sql, policy);
  await sql`create table public.others (id int primary key, created_at date)`;
  await manage(sql, "public.others", policy);
  await settle(chain);
  await addNote(sql, 1, "2000-01-01");
  return chain;
}

/** Lets a dataset's pause be over and runs the mover on every tier. */
async function settleNow(chain: TestChain) {
  for (const { sql } of chain.databases) await sql`update strata.datasets set next_try_at = null`;
  await settle(chain);
}

/** Something that happens to one of the tables, how it stops the dataset, and how it is mended. */
interface Case {
  what: string;
  core?: string;
  main?: string;
  code: string;
  says: string;
  remedy: string;
  mendOnCore?: string;
  mendOnMain?: string;
}

const CASES: Case[] = [
  {
    what: "a column dropped on core",
    core: "alter table public.notes drop column body",
    code: "ST023",
    says: 'column "body" of public.notes is gone from the hotter tier, on main it is still there',
    remedy:
      "on the colder tier, with the column that the message names: alter table public.notes drop column …; or alter table public.notes rename column … to …;",
    mendOnMain: "alter table public.notes drop column body",
  },
  {
    what: "a column renamed on core",
    core: "alter table public.notes rename column body to content",
    code: "ST023",
    says: 'column "body" of public.notes is gone from the hotter tier, on main it is still there',
    remedy:
      "on the colder tier, with the column that the message names: alter table public.notes drop column …; or alter table public.notes rename column … to …;",
    mendOnMain: "alter table public.notes rename column body to content",
  },
  {
    what: "a column retyped on core",
    core: "alter table public.notes alter column body type varchar(99)",
    code: "ST022",
    says: 'column "body" of public.notes is character varying(99), on main it is text',
    remedy:
      "on the colder tier, with the column and the type that the message names: alter table public.notes alter column … type …;",
    mendOnMain: "alter table public.notes alter column body type varchar(99)",
  },
  {
    what: "a column retyped on main",
    main: "alter table public.notes alter column body type varchar(20)",
    core: "alter table public.notes add column noticed int",
    code: "ST022",
    says: 'column "body" of public.notes is text, on main it is character varying(20)',
    remedy:
      "on the colder tier, with the column and the type that the message names: alter table public.notes alter column … type …;",
    mendOnCore: "alter table public.notes alter column body type varchar(20)",
  },
  {
    what: "a column dropped from the twin",
    main: "alter table public.notes drop column body",
    code: "ST021",
    says: 'column "body" is gone from twin public.notes on main',
    remedy:
      "add it again on that tier: alter table public.notes add column …; or accept that its values there are lost: select strata.forget_twin('notes');",
    mendOnMain: "alter table public.notes add column body text",
  },
  {
    what: "a dropped column, accepted as lost",
    main: "alter table public.notes drop column body",
    code: "ST021",
    says: 'column "body" is gone from twin public.notes on main',
    remedy:
      "add it again on that tier: alter table public.notes add column …; or accept that its values there are lost: select strata.forget_twin('notes');",
    mendOnMain: "select strata.forget_twin('notes')",
  },
  {
    what: "a dropped twin, made anew",
    main: "drop table public.notes",
    code: "ST020",
    says: "the twin public.notes is gone from main",
    remedy:
      "restore the table on that tier from a backup; if there is none, make it anew there, without those rows: select strata.forget_twin('notes');",
    mendOnMain: "select strata.forget_twin('notes')",
  },
  {
    what: "another primary key on core",
    core: `alter table public.notes drop constraint notes_pkey, add primary key (id, created_at);
      select strata.manage('public.notes', p_core_retention_days => 0, p_main_retention_days => 0)`,
    code: "ST024",
    says: "the primary key of public.notes is (id, created_at), on main it is (id)",
    remedy:
      "on the colder tier, with the columns that the message names: alter table public.notes drop constraint if exists …, add primary key (…);",
    mendOnMain:
      "alter table public.notes drop constraint notes_pkey, add primary key (id, created_at)",
  },
  {
    what: "no primary key on the twin",
    main: "alter table public.notes drop constraint notes_pkey",
    core: "alter table public.notes add column noticed int",
    code: "ST024",
    says: "the primary key of public.notes is (id), on main it is (missing)",
    remedy:
      "on the colder tier, with the columns that the message names: alter table public.notes drop constraint if exists …, add primary key (…);",
    mendOnMain: "alter table public.notes add primary key (id)",
  },
  {
    what: "a column on the twin that must be filled",
    main: "alter table public.notes add column stars int not null",
    code: "ST025",
    says: 'column "stars" of twin public.notes on main must be filled and is unknown on the ' +
      "hotter tier",
    remedy:
      "on the colder tier, with the column that the message names: alter table public.notes alter column … drop not null; or, where its type is a domain that allows no null: alter table public.notes alter column … type …;",
    mendOnMain: "alter table public.notes alter column stars set default 3",
  },
];

for (const { what, core, main, code, says, remedy, mendOnCore, mendOnMain } of CASES) {
  Deno.test(`${what} stops that dataset alone, and mended it goes on`, async () => {
    await using chain = await settledChain();
    await chain.core.sql.unsafe(core ?? "");
    await chain.main.sql.unsafe(main ?? "");
    await chain.core.sql`insert into public.others values (1, '2000-01-01')`;
    await settle(chain);
    await settleNow(chain); // the batch may have to fail before the two tiers compare notes

    assertEquals(await idsOn(chain.core.sql), [1]);
    const trouble = await troubleOf(chain.core.sql);
    assertEquals(trouble?.code, code);
    assertEquals(trouble?.says.replace(/^\w+: /, ""), says);
    assertEquals(trouble?.remedy, remedy);
    assertEquals(await idsOn(chain.archive.sql, "public.others"), [1]);

    await chain.core.sql.unsafe(mendOnCore ?? "");
    await chain.main.sql.unsafe(mendOnMain ?? "");
    await settleNow(chain);
    assertEquals(await idsOn(chain.core.sql), []);
    assertEquals(await troubleOf(chain.core.sql), undefined);
  });
}

for (const driver of ["push", "pull"] as const) {
  Deno.test(`${driver}: a column added on core is there before a row that has it, on both hops`, async () => {
    await using chain = await settledChain(driver);
    const { core, main, archive } = chain;
    await core.sql`alter table public.notes add column stars int default 5`;
    await core.sql`call strata.move_due()`;
    await main.sql`call strata.move_due()`;
    await archive.sql`call strata.move_due()`;
    assertEquals([...await archive.sql`select id, stars from public.notes`], [{ id: 1, stars: 5 }]);
  });

  Deno.test(`${driver}: a label added to an enum takes its place on both hops`, async () => {
    await using chain = await settledChain(driver);
    const { core, archive } = chain;
    await core.sql`create type public.mood as enum ('sad', 'happy')`;
    await core.sql`alter table public.notes add column mood public.mood`;
    await settle(chain);
    await core.sql`alter type public.mood add value 'so so' before 'happy'`;
    await core.sql`alter type public.mood add value 'elated'`;
    await core.sql`alter type public.mood add value 'bereft' before 'sad'`;
    await core.sql`insert into public.notes values (2, '2000-01-01', '', 'so so')`;
    await settle(chain);
    assertEquals([...await archive.sql`select mood from public.notes where id = 2`], [
      { mood: "so so" },
    ]);
    const [labels] = await archive.sql`select enum_range(null::public.mood)::text as all`;
    assertEquals(labels?.all, '{bereft,sad,"so so",happy,elated}');
  });
}

Deno.test("a type that is another one on the colder tier stops the dataset", async () => {
  await using chain = await settledChain();
  const { core, main } = chain;
  await core.sql`create type public.place as (x int, y int)`;
  await main.sql`create type public.place as (x int)`;
  await core.sql`alter table public.notes add column place public.place`;
  await settle(chain);
  assertEquals((await troubleOf(core.sql))?.code, "ST026");
  assertEquals(await idsOn(core.sql), [1]);

  await main.sql`alter type public.place add attribute y int`;
  await settleNow(chain);
  assertEquals(await idsOn(core.sql), []);
});

Deno.test("a type that cannot be made on the colder tier stops the dataset", async () => {
  await using chain = await settledChain();
  const { core, main } = chain;
  await main.sql`create table public.mood (id int)`; // its row type has the name
  await core.sql`create type public.mood as enum ('sad', 'happy')`;
  await core.sql`alter table public.notes add column mood public.mood`;
  await settle(chain);
  assertEquals((await troubleOf(core.sql))?.code, "ST026");
});

Deno.test("drift between main and archive stops the dataset there, not on core", async () => {
  await using chain = await settledChain();
  const { core, main, archive } = chain;
  await archive.sql`drop table public.notes`;
  await settle(chain);
  await settleNow(chain);
  assertEquals(await idsOn(core.sql), []);
  assertEquals(await idsOn(main.sql), [1]);
  assertEquals((await troubleOf(main.sql))?.code, "ST020");
  assertEquals(await troubleOf(core.sql), undefined);
});

Deno.test("two hops hear of a dropped column one after the other", async () => {
  await using chain = await settledChain();
  const { core, main, archive } = chain;
  await core.sql`alter table public.notes drop column body`;
  await main.sql`alter table public.notes drop column body`;
  await settle(chain);
  await settleNow(chain);
  assertEquals((await troubleOf(main.sql))?.code, "ST023");

  await archive.sql`alter table public.notes drop column body`;
  await settleNow(chain);
  assertEquals(await idsOn(archive.sql), [1]);
});
