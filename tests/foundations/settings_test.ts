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
