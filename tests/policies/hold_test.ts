import { assertEquals, assertMatch } from "@std/assert";
import type { Sql } from "postgres";
import { type TestChain, testChain } from "../support/chain.ts";
import { addNote, idsOn, manage, manageNotes, settle } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";

const NOW = "2026-03-01T12:00:00Z";

/** A chain on core of which notes 1 and 2 are due at once, down to the archive. */
async function chainWithDueNotes(): Promise<TestChain> {
  const chain = await testChain();
  await chain.freezeClock(NOW);
  await manageNotes(chain.core.sql, { core_retention_days: 0, main_retention_days: 0 });
  await addNote(chain.core.sql, 1, "2026-02-01");
  await addNote(chain.core.sql, 2, "2026-02-01");
  return chain;
}

interface HoldOptions {
  condition?: string;
  until?: string;
  prevents?: string;
}

/** Holds note 1, or what meets a condition. */
async function hold(sql: Sql, { condition, until, prevents = "both" }: HoldOptions = {}) {
  const [row] = await sql<{ id: string }[]>`
    select strata.hold('notes', p_key => ${condition === undefined ? ["1"] : null},
      p_condition => ${condition ?? null}, p_reason => 'a court asked', p_until => ${until ?? null},
      p_prevents => ${prevents}) as id`;
  return row?.id ?? "";
}

Deno.test("a held row stays, the others go", async () => {
  await using chain = await chainWithDueNotes();
  await hold(chain.core.sql);
  await settle(chain);
  assertEquals(await idsOn(chain.core.sql), [1]);
  assertEquals(await idsOn(chain.archive.sql), [2]);
});

const CONDITIONS = ["id = 1", "t.id < 2", "id = 1 or 1 / (id - 1) = 5", "body = '' and id = 1"];

for (const condition of CONDITIONS) {
  Deno.test(`rows that meet ${condition} stay, the others go`, async () => {
    await using chain = await chainWithDueNotes();
    await hold(chain.core.sql, { condition });
    await settle(chain);
    assertEquals(await idsOn(chain.core.sql), [1]);
    assertEquals(await idsOn(chain.archive.sql), [2]);
  });
}

Deno.test("a condition that is null for a row does not hold it", async () => {
  await using chain = await chainWithDueNotes();
  await hold(chain.core.sql, { condition: "null" });
  await settle(chain);
  assertEquals(await idsOn(chain.archive.sql), [1, 2]);
});

Deno.test("a condition may name columns that are called like Strata's own", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core, main } = chain;
  await core.sql.unsafe(`
    create table public.odd (id int primary key, created_at date, tid int, version int, mark int,
      proof int, o int, k1 int, m int, r int);
    insert into public.odd values (1, '2000-01-01', 1, 1, 1, 1, 1, 1, 1, 1),
                                  (2, '2000-01-01', 2, 2, 2, 2, 2, 2, 2, 2)`);
  await manage(core.sql, "public.odd", { core_retention_days: 0 });
  await core.sql`
    select strata.hold('odd', p_reason => 'so',
      p_condition => 'tid + version + mark + proof + o + k1 + m + r = 8')`;
  await settle(chain);
  assertEquals(await idsOn(core.sql, "public.odd"), [1]);
  assertEquals(await idsOn(main.sql, "public.odd"), [2]);
});

Deno.test("a hold ends at its time", async () => {
  await using chain = await chainWithDueNotes();
  await hold(chain.core.sql, { until: "2026-03-02T00:00:00Z" });
  await chain.freezeClock("2026-03-01T23:59:59Z");
  await settle(chain);
  assertEquals(await idsOn(chain.core.sql), [1]);
  await chain.freezeClock("2026-03-02T00:00:00Z");
  await settle(chain);
  assertEquals(await idsOn(chain.core.sql), []);
});

Deno.test("a hold ends when it is released, and can be released once", async () => {
  await using chain = await chainWithDueNotes();
  const { core } = chain;
  const id = await hold(core.sql);
  const release = async () => (await core.sql`select strata.release(${id}) as did`)[0]?.did;
  assertEquals(await release(), true);
  assertEquals(await release(), false);
  await settle(chain);
  assertEquals(await idsOn(core.sql), []);
});

Deno.test("a hold travels down the chain when nothing is due, and so does its release", async () => {
  await using chain = await chainWithDueNotes();
  const { core, main } = chain;
  await manage(core.sql, "public.notes", { core_retention_days: 0, main_retention_days: 20 });
  await addNote(core.sql, 3, "2026-02-20");
  await settle(chain);
  assertEquals(await idsOn(main.sql), [3]);

  const id = await hold(core.sql, { condition: "id = 3" });
  await settle(chain);
  await chain.freezeClock("2026-04-01T12:00:00Z");
  await settle(chain);
  assertEquals(await idsOn(main.sql), [3]);
  const seen = await chain.archive.sql`select hold_id, made_on, released_at from strata.holds`;
  assertEquals([...seen], [{ hold_id: id, made_on: "core", released_at: null }]);

  await core.sql`select strata.release(${id})`;
  await settle(chain);
  await settle(chain);
  assertEquals(await idsOn(main.sql), []);
});

Deno.test("what was released on a colder tier is not held again by what the hotter one says", async () => {
  await using chain = await chainWithDueNotes();
  const { core, main } = chain;
  const id = await hold(core.sql, { condition: "id > 2" });
  await settle(chain);
  await main.sql`select strata.release(${id})`;
  await manage(core.sql, "public.notes", { core_retention_days: 0, main_retention_days: 1 });
  await settle(chain);
  const [there] = await main.sql`select released_at is not null as released from strata.holds`;
  assertEquals(there?.released, true);
});

Deno.test("a hold against moving does not keep a row from being deleted", async () => {
  await using chain = await chainWithDueNotes();
  const { archive } = chain;
  await settle(chain);
  await archive.sql`update strata.datasets set delete_after_days = 1`;
  await hold(archive.sql, { prevents: "move" });
  await archive.sql`call strata.delete_due()`;
  assertEquals(await idsOn(archive.sql), []);
});

for (const prevents of ["delete", "both"]) {
  Deno.test(`a hold against ${prevents} keeps a row from being deleted, made on core long before`, async () => {
    await using chain = await chainWithDueNotes();
    const { core, archive } = chain;
    const id = await hold(core.sql, { prevents });
    await settle(chain);
    if (prevents === "both") { // it keeps the row on core until then
      await core.sql`select strata.release(${id})`;
      await settle(chain);
      await hold(archive.sql, { prevents });
    }
    await archive.sql`update strata.datasets set delete_after_days = 1`;
    await archive.sql`call strata.delete_due()`;
    assertEquals(await idsOn(archive.sql), [1]);
  });
}

Deno.test("a hold against deleting does not keep a row from moving", async () => {
  await using chain = await chainWithDueNotes();
  await hold(chain.core.sql, { prevents: "delete" });
  await settle(chain);
  assertEquals(await idsOn(chain.archive.sql), [1, 2]);
});

Deno.test("a hold that is made while its row is being moved wins", async () => {
  await using chain = await chainWithDueNotes();
  const { core, main } = chain;
  await hold(core.sql, { condition: "id = 2" });
  await settle(chain); // the colder tiers know the dataset now; note 1 is at the archive
  await addNote(core.sql, 3, "2026-02-01");
  await addNote(core.sql, 4, "2026-02-01");
  await core.sql`select strata.claim('notes', 'main')`;
  await hold(core.sql, { condition: "id = 3" });
  await settle(chain);
  assertEquals(await idsOn(core.sql), [2, 3]);
  assertEquals(await idsOn(main.sql), []);
  assertEquals(await idsOn(chain.archive.sql), [1, 4]);
});

Deno.test("a key is held however it is written", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core } = chain;
  await core.sql.unsafe(`
    create table public.marks (name varchar(9), at timestamptz, n numeric,
      created_at date default '2000-01-01', primary key (at, n));
    insert into public.marks values ('a', '2020-01-02 03:04:05.000006+00', 1.50)`);
  await manage(core.sql, "public.marks", { core_retention_days: 0 });
  await core.sql.begin(async (sql) => {
    await sql`set local datestyle = 'German'`;
    await sql`set local timezone = 'Asia/Tokyo'`;
    await sql`select strata.hold('marks', '{2020-01-02T03:04:05.000006Z,1.50}', p_reason => 'so')`;
  });
  await settle(chain);
  assertEquals((await core.sql`select from public.marks`).length, 1);
});

const REFUSED: [string, string, string, RegExp][] = [
  [
    "a key and a condition",
    `p_key => '{1}', p_condition => 'true', p_reason => 'so'`,
    "ST050",
    /^p_key and p_condition are both given$/,
  ],
  [
    "neither key nor condition",
    `p_reason => 'so'`,
    "ST050",
    /^neither p_key nor p_condition is given$/,
  ],
  ["no reason", `p_key => '{1}'`, "ST050", /^p_reason is missing$/],
  ["an empty reason", `p_key => '{1}', p_reason => ''`, "ST050", /^p_reason is missing$/],
  [
    "to prevent something else",
    `p_key => '{1}', p_reason => 'so', p_prevents => 'moves'`,
    "ST050",
    /^p_prevents is "moves"$/,
  ],
  [
    "to prevent nothing",
    `p_key => '{1}', p_reason => 'so', p_prevents => null`,
    "ST050",
    /^p_prevents is null$/,
  ],
  [
    "to end now",
    `p_key => '{1}', p_reason => 'so', p_until => '${NOW}'`,
    "ST050",
    /^p_until is in the past: 2026-03-01 12:00 UTC$/,
  ],
  ["a key of two values", `p_key => '{1,2}', p_reason => 'so'`, "ST050", /2 value\(s\) were given/],
  ["a key of no value", `p_key => '{}', p_reason => 'so'`, "ST050", /0 value\(s\) were given/],
  [
    "a key of another type",
    `p_key => '{one}', p_reason => 'so'`,
    "ST050",
    /^the key column "id" of "notes" is of type integer, "one" was given$/,
  ],
  [
    "a key of a null",
    `p_key => '{null}', p_reason => 'so'`,
    "ST050",
    /^the key column "id" of "notes" is of type integer, null was given$/,
  ],
  ["a condition that is none", `p_condition => 'id', p_reason => 'so'`, "ST014", /"id"/],
];

for (const [what, args, code, says] of REFUSED) {
  Deno.test(`hold() refuses ${what}`, async () => {
    await using chain = await chainWithDueNotes();
    const { sql } = chain.core;
    const refused = await refusal(sql.unsafe(`select strata.hold('notes', ${args})`));
    assertEquals(refused.code, code);
    assertMatch(refused.message, says);
    assertEquals([...await sql`select from strata.holds`], []);
  });
}

Deno.test("hold() refuses a dataset that is not there", async () => {
  await using chain = await chainWithDueNotes();
  const held = chain.core.sql`select strata.hold('nothing', '{1}', p_reason => 'so')`;
  assertEquals((await refusal(held)).code, "ST011");
});
