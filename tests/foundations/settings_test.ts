import { assertEquals, assertMatch } from "@std/assert";
import { testDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";

Deno.test("a setting in percent is a share: more than all of it is refused", async () => {
  await using db = await testDatabase("core");
  const set = (share: number) =>
    db.sql`update strata.settings set value = ${share} where name = 'share_beside_others'`;
  assertEquals((await refusal(set(101))).code, "23514");
  assertEquals((await set(100)).count, 1);
});

Deno.test("a setting that is out of its range is refused with its range, its unit and what it does", async () => {
  await using db = await testDatabase("core");
  for (
    const [name, value, says] of [
      ["batch_rows", "0", /^Write .* from 1 to 2147483647 \(rows\): the most rows of one move\.$/],
      ["batch_rows", "9999999999", /^Write a whole number from 1 to 2147483647 \(rows\)/],
      ["batch_rows", null, /^Write a whole number from 1 to 2147483647 \(rows\)/],
      ["keep_job_runs", "100001", /^Write a whole number from 1 to 100000 \(days\)/],
      ["billing_day", "32", /^Write a whole number from 1 to 31 \(day of the month\)/],
      ["reclaim_from_hour", "25", /^Write a whole number from 1 to 24 \(hour, UTC\)/],
      ["share_beside_others", "101", /^Write a whole number from 1 to 100 \(percent\)/],
    ] as const
  ) {
    const { code, message, hint } = await refusal(
      db.sql`update strata.settings set value = ${value} where name = ${name}`,
    );
    assertEquals([code, message], ["23514", `the setting "${name}" cannot be ${value}`]);
    assertMatch(hint ?? "", says);
  }
});

Deno.test("who mistypes the name of a setting is told, and a program that sets what is set is not refused", async () => {
  const notices: string[] = [];
  await using db = await testDatabase("core");
  const sql = db.connect({ onnotice: ({ message }) => notices.push(String(message)) });
  await sql`update strata.settings set value = value where name = 'batch_rows'`;
  await sql`
    insert into strata.settings (name, value, unit, says) values ('of_a_seed', 1, 'rows', 'a seed')
    on conflict (name) do update set says = excluded.says`; // as a release enters its own
  assertEquals(notices, []);
  assertEquals(
    (await sql`update strata.settings set value = 1000 where name = 'bach_rows'`).count,
    0,
  );
  assertMatch(notices.join(), /^no setting was changed/);
});

Deno.test("a hold is ended by its id as a text, and what is no id is refused with where to look it up", async () => {
  await using db = await testDatabase("core");
  await db.sql.unsafe(
    `create table public.notes (id int primary key, created_at timestamptz not null)`,
  );
  await db.sql`select strata.become('core', true)`;
  await db.sql`select strata.manage('public.notes')`;
  const held = async () =>
    (await db.sql<{ id: string }[]>`
      select strata.hold('notes', p_condition => 'id = 1', p_reason => 'wanted') as id`)[0]?.id ??
      "";
  for (const [before, after] of [["", ""], ["{", "}"], [" ", " "]]) {
    const id = await held();
    const [ended] = await db.sql.unsafe(
      `select strata.release('${before}${id.toUpperCase()}${after}') as ended`,
    );
    assertEquals(ended?.ended, true);
  }
  for (const id of ["abc", "", "e81be0c2-7998-40f4-a0b9-9b54bee99ec"]) {
    const { code, message, hint } = await refusal(db.sql.unsafe(`select strata.release('${id}')`));
    assertEquals([code, message], ["ST050", `"${id}" is not the id of a hold`]);
    await db.sql.unsafe(hint?.replace("Look it up: ", "") ?? "");
  }
});
