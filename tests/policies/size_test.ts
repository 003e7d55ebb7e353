import { assertEquals } from "@std/assert";
import { testChain } from "../support/chain.ts";
import { addNote, idsOn, manageNotes, settle } from "../support/notes.ts";

const LIMIT = 100 * 1024;

Deno.test("a young row over the size limit goes on from main to the archive, another does not", async () => {
  await using chain = await testChain();
  const { core, main, archive } = chain;
  await manageNotes(core.sql, { core_retention_days: 0 });
  await addNote(core.sql, 1, "2026-01-01", "x".repeat(LIMIT));
  await addNote(core.sql, 2, "2026-01-01", "x".repeat(LIMIT + 1));
  await chain.freezeClock("2026-01-02T00:00:00Z");
  await settle(chain);
  assertEquals(await idsOn(main.sql), [1]);
  assertEquals(await idsOn(archive.sql), [2]);
});

Deno.test("the size of a row moves it from main alone, never from core", async () => {
  await using chain = await testChain();
  const { core } = chain;
  await manageNotes(core.sql);
  await addNote(core.sql, 1, "2999-01-01", "x".repeat(2 * LIMIT));
  await settle(chain);
  assertEquals(await idsOn(core.sql), [1]);
});

/** Rows of exactly the limit and of one byte more, by where the bytes are. */
const KINDS: [string, string, (bytes: number) => string][] = [
  ["text, in bytes and not in characters", "text", (n) => `'é' || repeat('x', ${n} - 2)`],
  ["varchar", "varchar", (n) => `repeat('x', ${n})`],
  ["bytea", "bytea", (n) => `decode(repeat('00', ${n}), 'hex')`],
  ["json", "json", (n) => `('"' || repeat('x', ${n} - 2) || '"')::json`],
  ["jsonb", "jsonb", (n) => `('"' || repeat('x', ${n} - 2) || '"')::jsonb`],
];

for (const [what, type, value] of KINDS) {
  Deno.test(`a row's size counts ${what}`, async () => {
    await using chain = await testChain({ tiers: ["main", "archive"] });
    const { main, archive } = chain;
    await main.sql.unsafe(`
      create table public.notes (id int primary key, created_at date, a ${type}, b text)`);
    await main.sql`select strata.manage('public.notes')`;
    await main.sql.unsafe(`
      insert into public.notes values (1, '2999-01-01', ${value(LIMIT)}, null),
                                      (2, '2999-01-01', ${value(LIMIT)}, 'x')`);
    await settle(chain);
    assertEquals(await idsOn(main.sql), [1]);
    assertEquals(await idsOn(archive.sql), [2]);
  });
}

Deno.test("without a size limit a row of any size stays for its time", async () => {
  await using chain = await testChain({ tiers: ["main", "archive"] });
  const { main } = chain;
  await manageNotes(main.sql, { size_limit_kb: null });
  await addNote(main.sql, 1, "2999-01-01", "x".repeat(2 * LIMIT));
  await settle(chain);
  assertEquals(await idsOn(main.sql), [1]);
});

Deno.test("an oversize row without an age goes on as well", async () => {
  await using chain = await testChain({ tiers: ["main", "archive"] });
  const { main, archive } = chain;
  await manageNotes(main.sql);
  for (const [id, age] of [[1, null], [2, "2999-01-01"], [3, "2999-01-02"]] as const) {
    await addNote(main.sql, id, age, "x".repeat(2 * LIMIT));
  }
  await settle(chain);
  assertEquals([await idsOn(main.sql), await idsOn(archive.sql)], [[], [1, 2, 3]]);
  const ledger = await main.sql<{ month: string; rows: number }[]>`
    select month, rows::integer as rows from strata.ledger order by month`;
  assertEquals(ledger.map(({ month, rows }) => [month, rows]), [["from 2100", 2], ["no age", 1]]);
});

Deno.test("a condition and a hold keep oversize rows too", async () => {
  await using chain = await testChain({ tiers: ["main", "archive"] });
  const { main } = chain;
  await manageNotes(main.sql, { due_when: "id > 1" });
  await main.sql`select strata.hold('notes', '{2}', p_reason => 'wanted here')`;
  await addNote(main.sql, 1, "2999-01-01", "x".repeat(2 * LIMIT));
  await addNote(main.sql, 2, "2999-01-01", "x".repeat(2 * LIMIT));
  await settle(chain);
  assertEquals(await idsOn(main.sql), [1, 2]);
});

Deno.test("a size limit may be larger than two gigabytes", async () => {
  await using chain = await testChain({ tiers: ["main", "archive"] });
  const { main, archive } = chain;
  await manageNotes(main.sql, { size_limit_kb: 4_000_000 });
  await addNote(main.sql, 1, "2000-01-01");
  await settle(chain);
  assertEquals(await idsOn(archive.sql), [1]);
});
