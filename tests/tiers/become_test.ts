import { assertEquals, assertMatch } from "@std/assert";
import { testDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";

const NOON = "2026-03-01T12:00:00Z";
const LATER = "2026-03-02T12:00:00Z";

Deno.test("become() tells a database its tier, and the second time changes nothing", async () => {
  await using db = await testDatabase();
  await db.freezeClock(NOON);
  await db.sql`select strata.become('main')`;
  const [once] = await db.sql`select * from strata.self`;

  await db.freezeClock(LATER);
  await db.sql`select strata.become('main')`;
  const [twice] = await db.sql`select * from strata.self`;

  assertEquals(once, {
    only_row: true,
    tier: "main",
    is_last: false,
    became_at: new Date(NOON),
    looked_at: null,
    took_temporary: true,
  });
  assertEquals(twice, once);
});

Deno.test("become() says that nothing runs by itself where there is no pg_cron", async () => {
  await using db = await testDatabase();
  const [answer] = await db.sql`select strata.become('core') as says`;
  assertMatch(answer?.says, /^this database is core; it has no pg_cron, .* strata\.process\(\)/);
});

Deno.test("become() refuses a tier that does not exist", async () => {
  await using db = await testDatabase();
  assertEquals(await refusal(db.sql`select strata.become('attic')`), {
    code: "ST002",
    message: 'there is no tier "attic"',
    hint: "The tiers are core, main and archive.",
  });
});

Deno.test("become() lets a database change its tier while it has no neighbours", async () => {
  await using db = await testDatabase();
  await db.sql`select strata.become('core')`;
  await db.sql`select strata.become('archive')`;
  assertEquals([...await db.sql`select tier, is_last from strata.self`], [
    { tier: "archive", is_last: true },
  ]);
});

Deno.test("become() refuses another tier to a database that has neighbours", async () => {
  await using db = await testDatabase();
  await db.sql`select strata.become('core')`;
  await db.sql`select strata.join_tier('main', 'pull')`;

  assertEquals(await refusal(db.sql`select strata.become('archive')`), {
    code: "ST002",
    message: "this database is core and has neighbours, it cannot become archive",
    hint: "select strata.leave_tier(neighbour) from strata.links first.",
  });
});

Deno.test("become() keeps what was said about being the last tier until told otherwise", async () => {
  await using db = await testDatabase();
  const isLast = async () => (await db.sql`select is_last from strata.self`)[0]?.is_last;

  await db.sql`select strata.become('main', p_is_last => true)`;
  await db.sql`select strata.become('main')`;
  assertEquals(await isLast(), true);

  await db.sql`select strata.become('main', p_is_last => false)`;
  assertEquals(await isLast(), false);
});

Deno.test("a database that was never told its tier manages nothing", async () => {
  await using db = await testDatabase();
  await db.sql`create table public.notes (id int primary key, created_at timestamptz)`;
  const { code, hint } = await refusal(db.sql`select strata.manage('public.notes')`);
  assertEquals(code, "ST001");
  assertEquals(hint, "select strata.become('core'), 'main' or 'archive'");
});
