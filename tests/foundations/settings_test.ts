import { assertEquals } from "@std/assert";
import { testDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";

Deno.test("a setting in percent is a share: more than all of it is refused", async () => {
  await using db = await testDatabase("core");
  const set = (share: number) =>
    db.sql`update strata.settings set value = ${share} where name = 'share_beside_others'`;
  assertEquals((await refusal(set(101))).code, "23514");
  assertEquals((await set(100)).count, 1);
});
