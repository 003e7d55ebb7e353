import assert from "node:assert/strict";
import { commandLine } from "./support.ts";

Deno.test("plan says what process would delete of what it moves", async () => {
  await using cli = await commandLine(["core", "archive"]);
  await cli.strata("setup", "--init");
  await cli.sql("core")`insert into public.journal_entries (created_at, content)
    values (now() - interval '6 years', 'very long ago'), (now() - interval '1 year', 'last year')`;
  const { out } = await cli.strata("plan");
  assert.match(
    out,
    /^Due now: 2 rows to move, 0 rows to delete\.\nPast its deletion age, of what moves: 1 row; `process` /m,
  );
  const done = await cli.strata("process");
  assert.match(done.out, /^journal_entries +archive +deleted +1 /m);
  assert.doesNotMatch((await cli.strata("plan")).out, /deletion age/);
});

Deno.test("plan and status name what is due of a dataset that cannot be read as unknown", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  await cli.sql(
    "core",
  )`create table public.orders (id int primary key, created_at date, state text)`;
  await cli.strata("manage", "orders", "--due-when", "state = 'shipped'");
  await cli.sql("core")`alter table public.orders drop column state`;
  const { code, out, err } = await cli.strata("plan");
  assert.deepEqual([code, err], [0, ""]);
  assert.match(
    out,
    /^orders +core +main +unknown +unknown +unknown +its policy does not fit its table$/m,
  );
  assert.equal((await cli.strata("status")).code, 0);
  const sync = await cli.strata("sync");
  assert.match(sync.out, /^On core, dataset orders: .* \(\w{5}\)\. Next try on /m);
});
