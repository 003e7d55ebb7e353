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
  assert.doesNotMatch(out, /main .*orders/); // one cause, one line
  assert.match(out, /^1 check does not hold; → says what to do\. 8\d others hold/m);
  const all = (await cli.strata("setup", "--validate", "--verbose")).out;
  assert.ok(all.split("\n").length > 80, all);
});

Deno.test("validate says all it can while schemas, twins, columns and parts of itself are missing", async () => {
  await using cli = await commandLine(["core", "main"]);
  const [core, main] = [cli.sql("core"), cli.sql("main")];
  await core`create schema shop`;
  await core`create table shop.orders (id int primary key, created_at timestamptz)`;
  await core`create table shop.bills (id int primary key, created_at timestamptz)`;
  await cli.configure(
    "lifecycle_policies: { orders: { table: shop.orders }, bils: { table: shop.bils } }",
  );
  const init = await cli.strata("setup", "--init");
  assert.equal(init.code, 1);
  assert.match(
    init.out,
    /^18 datasets are managed\.\n.*bils: there is no table shop\.bils on core\n→ Did you mean shop\.bills\?/m,
  );
  await main`drop schema shop cascade`;
  await main`drop function strata.line_security(text)`;
  await main`drop function strata.validate_roles()`;
  await main`alter table public.tasks drop column notes`;
  const { code, out } = await cli.strata("setup", "--validate", "--json");
  assert.equal(code, 1);
  const found: { tier: string; ok: boolean; says: string; topic: string; remedy: string }[] =
    JSON.parse(out).checks;
  const wrong = found.filter(({ ok }) => !ok).map(({ tier, topic, says }) =>
    `${tier} ${topic}: ${says}`
  );
  for (
    const line of [
      /^core lifecycle_policies\.bils: there is no table shop\.bils$/,
      /^main roles: this cannot be checked: function strata\.validate_roles\(\) does not exist \[42883\]$/,
      /^main link core \(pull\): /,
      /^main dataset orders: the twin shop\.orders is gone from main/,
      /^main twin orders: table shop\.orders is gone on main/,
      /^main twins of core: .*column "notes" is gone/,
    ]
  ) assert.ok(wrong.some((says) => line.test(says)), `${line}\n${wrong.join("\n")}`);
  assert.ok(found.filter(({ tier, ok }) => tier === "main" && ok).length > 20);
});

Deno.test("validate has nothing against a twin that comes with the first move", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  await cli.sql("core")`create table public.orders (id int primary key, created_at timestamptz)`;
  assert.equal((await cli.strata("manage", "public.orders")).code, 0);
  const { checks } = JSON.parse((await cli.strata("setup", "--validate", "--json")).out);
  const twins = checks.filter(({ topic }: { topic: string }) => topic === "twins of core");
  assert.deepEqual(twins.map(({ ok, says }: { ok: boolean; says: string }) => [ok, says]), [
    [true, "17 of 18 are there; orders will be with the first move"],
  ]);
  const again = await cli.strata("setup", "--init");
  assert.match(
    again.out,
    /^18 datasets are managed; orders has no policy in the configuration\.$/m,
  );
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
