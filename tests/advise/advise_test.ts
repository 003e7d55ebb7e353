/** `advise`: what is said of databases of every kind, before Strata is there. Nothing is changed. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { PolicySchema } from "../../cli/config/schema.ts";
import { bareDatabase } from "../support/bare_database.ts";
import { testDatabase } from "../support/database.ts";
import { plainServer } from "../support/plain_server.ts";
import { strata } from "../cli/support.ts";
import { advised, SHOP, tableOf, told } from "./support.ts";

/** Other tests' databases are on the same server, and are billed. */
const ROOM = ["--capacity", "100000"];

Deno.test("advise tells an application what fills it, what could settle, and what cannot and why", async () => {
  await using db = await bareDatabase(SHOP);
  await db.sql`vacuum analyze`;
  const found = await advised(db.url);
  assert.equal(found.capacity, 500 * 1024 * 1024);
  const [size] = await db.sql<
    { bytes: string }[]
  >`select pg_database_size(current_database()) as bytes`;
  const here = found.databases.find(({ current }) => current);
  assert.ok(Math.abs((here?.bytes ?? 0) - Number(size?.bytes)) < 1024 * 1024);
  assert.equal(found.billed, found.databases.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0));
  assert.ok(found.databases.some(({ name }) => name === "template1"));
  const parts = found.parts.filter(({ kind }) => kind !== "database");
  const sum = parts.reduce((all, { bytes }) => all + bytes, 0);
  assert.ok(Math.abs(sum - (here?.bytes ?? 0)) < 64 * 1024);

  const events = tableOf(found, "public.events");
  assert.deepEqual(events.objections, []);
  assert.equal(events.age?.column, "created_at");
  assert.deepEqual([events.ages?.by, events.ages?.rows], ["count", 30000]);
  const [older] = await db.sql<{ n: number }[]>`
    select count(*)::int as n from public.events where created_at <= now() - interval '90 days'`;
  assert.equal(events.ages?.older[90], older?.n);
  const share = (events.frees?.[90] ?? 0) / events.bytes;
  assert.ok(share > 0.8 && share < 0.9, `${share}`);
  assert.equal(tableOf(found, "public.orders").age?.column, "placed_at");
  const why = (table: string) => tableOf(found, table).objections.map(({ says }) => says).join();
  assert.match(why("public.orders"), /would delete rows of public\.order_items \(foreign key/);
  assert.match(why("public.request_log"), /has no primary key/);
  assert.match(why("public.settings"), /has no column to tell a row's age by/);
  assert.ok((tableOf(found, "public.request_log").frees?.[90] ?? 0) > 0);

  assert.deepEqual(found.proposals.policies.map(({ table }) => table), ["public.events"]);
  assert.match(found.proposals.undecided[0]?.why ?? "", /^rows of public\.orders refer to it/);
  const { lifecycle_policies: policies } = parse(found.proposals.yaml);
  assert.deepEqual(PolicySchema.parse(policies.events), {
    age_column: "created_at",
    core_retention_days: 365,
    main_retention_days: 1095,
    delete_after_days: "never",
  });
  const text = await told(db.url, ...ROOM);
  assert.match(text, /^🟢 .* of 98 GB/);
  assert.match(text, /^ {2}public\.events +created_at +30,000 /m);
  assert.match(text, /deno task strata init$/m);
  assert.doesNotMatch(text, /Full: do this first/);
});

Deno.test("advise tells the pace by the ages of rows, and when the capacity is reached", async () => {
  await using db = await bareDatabase(`
    create table public.readings (id int primary key, at timestamptz not null, text text);
    insert into public.readings select i, now() - i * interval '1 minute', repeat('x', 100)
      from generate_series(1, 60 * 24 * 20) as i`);
  const { growth, settling, capacity, billed } = await advised(db.url);
  const whole = settling[0]?.bytes ?? 0;
  assert.ok(Math.abs(growth.per_day - whole / 20) < whole / 200); // twenty days, evenly
  assert.ok(Math.abs((growth.days ?? 0) - (capacity - billed) / growth.per_day) < 2);
  const more = String(Math.round(billed / 1024 / 1024) + 400);
  assert.match(await told(db.url, "--capacity", more), /^ {2}≈ .* a day, .* MB in about /m);
  await db.sql`update public.readings set at = at - interval '300 days'`;
  const later = await advised(db.url);
  assert.deepEqual([later.growth.per_day, later.growth.days], [0, null]);
});

Deno.test("advise estimates a large table by its statistics, and one without any by a sample", async () => {
  await using db = await bareDatabase(`
    create table public.big (id int primary key, made date, at timestamptz,
      note text) with (autovacuum_enabled = off);
    alter table public.big alter note set storage plain;
    insert into public.big select i, current_date - i % 400,
        case when i % 10 > 0 then now() - i * interval '400 days' / 60000 end, repeat(md5(i::text), 10)
      from generate_series(1, 60000) as i`);
  const truth = async (days: number) => {
    const [row] = await db.sql<{ n: number }[]>`
      select count(*)::int as n from public.big where at < now() - ${days} * interval '1 day'`;
    return row?.n ?? 0;
  };
  const within = async (expected: "sample" | "statistics") => {
    const { ages } = tableOf(await advised(db.url), "public.big");
    assert.equal(ages?.by, expected);
    for (const days of [30, 90, 365]) {
      const off = Math.abs((ages?.older[days] ?? 0) - await truth(days));
      assert.ok(off < 6000, `${expected}, ${days} days: ${off} of 60,000 rows off`);
    }
    assert.ok(Math.abs((ages?.without ?? 0) - 6000) < 1500);
  };
  await db.sql`alter table public.big drop column made`;
  await within("sample");
  await db.sql`analyze public.big`;
  await within("statistics");
  assert.match(await told(db.url), /^ {2}public\.big .*≈ statistics$/m);
});

Deno.test("advise works for a login that may see next to nothing, and says what it could not see", async () => {
  await using db = await bareDatabase(SHOP);
  const role = `clerk_${crypto.randomUUID().slice(0, 8)}`;
  await db.sql.unsafe(`create role ${role} login password 'a-clerk'`);
  try {
    const found = await advised(db.urlAs(role, "a-clerk"));
    assert.equal(found.server.login, role);
    assert.equal(tableOf(found, "public.events").ages, null);
    assert.ok(tableOf(found, "public.events").bytes > 1024 * 1024);
    assert.deepEqual(tableOf(found, "public.events").objections, []); // its owner would set it up
    assert.deepEqual(found.proposals.policies, []);
    assert.deepEqual(parse(found.proposals.yaml), { lifecycle_policies: {} });
    const text = await told(db.urlAs(role, "a-clerk"));
    assert.match(text, /public\.events: how old its rows are may not be seen by this login/);
    await db.sql.unsafe(`grant select on public.events to ${role};
      alter table public.events enable row level security`); // it would count none, and call it empty
    assert.equal(tableOf(await advised(db.urlAs(role, "a-clerk")), "public.events").ages, null);
  } finally {
    await db.sql.unsafe(`revoke all on public.events from ${role}; drop role ${role}`);
  }
});

Deno.test("advise takes names of every kind, and what it proposes can be run and read", async () => {
  await using db = await bareDatabase(`
    create schema "we""ird sch'ema";
    create table "we""ird sch'ema"."ta""b%I le" ("i""d" int primary key, "ma""de at" timestamptz not null default now());
    insert into "we""ird sch'ema"."ta""b%I le" select i, now() - i * interval '1 day' from generate_series(1, 900) as i;
    create table public."With.Dot" (id int primary key, created_at timestamptz default now());
    insert into public."With.Dot" select i, now() - i * interval '1 day' from generate_series(1, 900) as i;
    create table public."Größe: #1" (id int primary key, created_at timestamptz default now());
    insert into public."Größe: #1" select i, now() - i * interval '1 day' from generate_series(1, 900) as i;
    create table public.tasks (id int primary key, created_at timestamptz default now(), status text);
    insert into public.tasks select i, now() - i * interval '1 day', 'open' from generate_series(1, 900) as i;
    create table public.contacts (id int primary key, name text);
    create table public.sly (id int primary key, "x\n  injected: 1" timestamptz);
    insert into public.sly select i, now() - i * interval '1 day' from generate_series(1, 900) as i`);
  const found = await advised(db.url);
  const { lifecycle_policies: policies } = parse(found.proposals.yaml);
  const weird = `we"ird sch'ema_ta"b%I le`;
  assert.equal(policies[weird].table, `"we""ird sch'ema"."ta""b%I le"`);
  assert.equal(policies[weird].age_column, 'ma"de at');
  assert.equal(policies["Größe: #1"].table, 'public."Größe: #1"');
  assert.match(found.proposals.yaml, /# public\."With\.Dot": there is a dot in its name/);
  // strata.yaml has policies for these names, of which nothing is to be left.
  assert.deepEqual([policies.tasks.trigger, policies.tasks.size_limit_kb], [null, null]);
  assert.equal(policies.contacts, null);
  assert.match(
    found.proposals.yaml,
    /^ {2}# public\.sly: is x injected: 1 when a row was made\?$/m,
  );
  assert.ok(!("injected" in policies));
  for (const [dataset, policy] of Object.entries(policies)) {
    if (policy === null || dataset === "tasks") continue;
    const { table, age_column } = PolicySchema.parse(policy);
    await db.sql.unsafe(
      `select "${age_column?.replaceAll('"', '""')}" from ${table ?? dataset} limit 1`,
    );
  }
});

Deno.test("advise tells a partitioned table by what its partitions take, and has it let go of them", async () => {
  await using db = await bareDatabase(`
    create table public.measured (id int, at timestamptz not null, note text) partition by range (at);
    create table public.measured_old partition of public.measured for values from (minvalue) to ('2026-01-01');
    create table public.measured_new partition of public.measured for values from ('2026-01-01') to (maxvalue);
    insert into public.measured select i, '2025-01-01'::timestamptz + i * interval '1 hour', repeat('x', 300)
      from generate_series(1, 12000) as i`);
  const found = await advised(db.url);
  assert.deepEqual(found.settling.map(({ table }) => table), ["public.measured"]);
  assert.ok(tableOf(found, "public.measured").bytes > 3 * 1024 * 1024);
  assert.match(
    await told(db.url),
    /public\.measured is a partitioned table\n {2}→ Drop old partitions instead\./,
  );
});

Deno.test("advise has little to say of an empty database, and says it", async () => {
  await using db = await bareDatabase();
  const text = await told(db.url, ...ROOM);
  assert.match(text, /Nothing here has rows, a key and an age to go by\./);
  assert.match(text, /Not known: nothing here grows that has an age/);
  assert.doesNotMatch(text, /lifecycle_policies/);
});

Deno.test("advise says that Strata is there already, and which tables it has", async () => {
  await using db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  await db.sql.unsafe(`
    create table public.visits (id int primary key, created_at timestamptz not null default now());
    insert into public.visits select i, now() - i * interval '1 day' from generate_series(1, 500) as i;
    select strata.manage('public.visits')`);
  const found = await advised(db.url);
  assert.deepEqual([found.server.installed, found.tier], [true, "core"]);
  assert.equal(tableOf(found, "public.visits").managed, true);
  assert.deepEqual(found.proposals.policies.filter(({ table }) => table === "public.visits"), []);
  assert.ok(
    !found.next.some(({ run }) =>
      run.some((line) => /\binit$|^rm /.test(line) && !/setup/.test(line))
    ),
  );
  assert.match(await told(db.url), /^ {3}Strata is here already: this is core\.$/m);
});

Deno.test("advise works on a plain PostgreSQL, where a schema called auth is its owner's", async () => {
  await using plain = await plainServer("initdb");
  await plain.sql.unsafe(`
    create schema auth;
    create table auth.logins (id int primary key, created_at timestamptz not null default now());
    insert into auth.logins select i, now() - i * interval '1 day' from generate_series(1, 500) as i`);
  const found = await advised(plain.url);
  assert.deepEqual(found.proposals.policies.map(({ dataset, table }) => [dataset, table]), [
    ["auth_logins", "auth.logins"],
  ]);
});

Deno.test("advise waits for nobody: a table that is locked is told with its last known size", async () => {
  await using db = await bareDatabase(SHOP);
  await db.sql`vacuum analyze`;
  await db.sql.begin(async (holder) => {
    await holder`lock table public.events in access exclusive mode`;
    const found = await advised(db.url);
    assert.ok(tableOf(found, "public.events").bytes > 1024 * 1024);
    assert.equal(tableOf(found, "public.orders").ages?.by, "count");
  });
});

Deno.test("without --db-url advise takes the configuration's core, and asks nothing of other tiers", async () => {
  await using db = await bareDatabase();
  const environment = { STRATA_CORE_DB_URL: db.url };
  const { code, out, err } = await strata(["advise", ...ROOM], environment);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, new RegExp(`/${db.name}: PostgreSQL `));
  assert.doesNotMatch(out, new RegExp(new URL(db.url).password));
  const none = await strata(["advise"], {});
  assert.equal(none.code, 2);
  assert.match(
    none.err,
    /database_tiers\.core\.db_url_env names STRATA_CORE_DB_URL, which is not set/,
  );
  assert.doesNotMatch(none.err, /STRATA_MAIN/);
  const named = await strata(["advise", "--db-url", "SHOP_URL", ...ROOM], { SHOP_URL: db.url });
  assert.equal(named.code, 0, named.err);
  const missing = await strata(["advise", "--db-url", "SHOP_URL"], {});
  assert.deepEqual([missing.code, /^There is no variable SHOP_URL/.test(missing.err)], [2, true]);
});
