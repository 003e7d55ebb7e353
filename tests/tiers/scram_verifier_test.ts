import { assert, assertEquals, assertMatch } from "@std/assert";
import { scramVerifier } from "../../cli/lib/scram.ts";
import { testDatabase } from "../support/database.ts";

const PASSWORDS = ["pencil", "", "x".repeat(64), "y".repeat(65), "Grüße, ﬁne ① 🙂"];

Deno.test("scram_verifier() says what the command line's says, and what Postgres stores", async () => {
  await using db = await testDatabase();
  for (const password of PASSWORDS) {
    for (const iterations of [1, 2, 4096]) {
      const salt = crypto.getRandomValues(new Uint8Array(16));
      const [row] = await db.sql`
        select strata.scram_verifier(${password}, ${salt}, ${iterations}) as verifier`;
      assertEquals(row?.verifier, await scramVerifier(password, { salt, iterations }));
    }
  }
});

Deno.test("scram_verifier() takes a salt of its own each time", async () => {
  await using db = await testDatabase();
  const [row] = await db.sql`
    select strata.scram_verifier('one') as first, strata.scram_verifier('one') as second`;
  assertMatch(row?.first, /^SCRAM-SHA-256\$4096:/);
  assert(row?.first !== row?.second);
});

Deno.test("random_password() is 32 bytes, another one each time", async () => {
  await using db = await testDatabase();
  const rows = await db.sql`
    select strata.random_password() as password from generate_series(1, 100)`;
  for (const { password } of rows) assertMatch(password, /^[\w-]{43}$/);
  assertEquals(new Set(rows.map(({ password }) => password)).size, 100);
});
