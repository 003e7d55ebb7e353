/** `setup --validate` where something is gone. */
import assert from "node:assert/strict";
import { commandLine } from "./support.ts";

Deno.test("validate names a table that was dropped, and checks all the rest", async () => {
  await using cli = await commandLine(["core", "main"]);
  const core = cli.sql("core");
  await core`create table public.orders (id int primary key, created_at timestamptz)`;
  await cli.strata("setup", "--init");
  assert.equal((await cli.strata("manage", "public.orders")).code, 0);
  await core`drop table public.orders`;
  const { code, out } = await cli.strata("setup", "--validate");
  assert.equal(code, 1);
  assert.match(out, /✗ .*core .*orders .*gone/);
  assert.match(out, /main .*twins of core .*orders/);
  assert.ok(out.split("\n").length > 30, out);
});
