/** Every remedy, followed to the letter, ends the trouble and its alert. */
import assert from "node:assert/strict";
import { testDatabase } from "../support/database.ts";
import { CONDITIONS, ERRORS } from "./cases.ts";
import { LEFT_OUT } from "./left_out.ts";
import { follow } from "./support.ts";

Deno.test("every error and every kind of alert has a remedy that is followed here, or a reason why not", async () => {
  await using db = await testDatabase();
  const rows = await db.sql<{ name: string }[]>`
    select code as name from strata.errors union all select kind from strata.alert_kinds`;
  const known = rows.map(({ name }) => name).sort();
  const here = [...Object.keys(ERRORS), ...Object.keys(CONDITIONS), ...Object.keys(LEFT_OUT)];
  assert.deepEqual(here.sort(), known);
});

Deno.test("no remedy sends a person in a circle", async () => {
  await using db = await testDatabase();
  const vague = await db.sql`
    select code, remedy from strata.errors
     where remedy ~ 'monitor lifecycle|setup --validate' or remedy ~ 'set up again$|dataset\\)'`;
  assert.deepEqual([...vague].filter(({ code }) => code !== "ST004"), []);
});

for (const [code, one] of Object.entries(ERRORS)) {
  const expected = code.length === 5 ? new RegExp(`\\[${code}\\]|is gone$`) : /\[/;
  Deno.test(`${code}: its remedy ends it`, () => follow(one, expected));
}

for (const [kind, one] of Object.entries(CONDITIONS)) {
  Deno.test(`${kind}: its remedy ends it`, () => follow(one));
}
