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

Deno.test("validate names a table of the configuration that nobody manages", async () => {
  await using cli = await commandLine(["core", "main"]);
  const core = cli.sql("core");
  await core`create table public.orders (id int primary key, created_at timestamptz)`;
  await core`create table public.items (id int primary key, order_id int
    constraint of_order references public.orders on delete cascade)`;
  await cli.configure("lifecycle_policies: { orders: {} }");
  const refused = await cli.strata("setup", "--init");
  assert.match(refused.out, /^orders is refused: .*on delete cascade\)$/m);
  const { code, out } = await cli.strata("setup", "--validate");
  assert.equal(code, 1);
  assert.match(out, /^✗ +core +configuration +it names what is not managed: orders$/m);
  await core`alter table public.items drop constraint of_order`;
  assert.equal((await cli.strata("setup", "--init")).code, 0);
  const mended = await cli.strata("setup", "--validate");
  assert.match(mended.out, /^✓ +core +configuration +every table it names is managed$/m);
});
