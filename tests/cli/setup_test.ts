import assert from "node:assert/strict";
import { isLocal } from "../../cli/lib/local.ts";
import { type CommandLine, commandLine } from "./support.ts";
const ID = "00000000-0000-4000-8000-00000000000";

/** Three journal entries: one for core, one for main, one for the archive. */
async function writeJournal(cli: CommandLine): Promise<void> {
  await cli.sql("core")`insert into public.journal_entries (id, created_at, content) values
    (${`${ID}1`}, now() - interval '1 day', 'yesterday'),
    (${`${ID}2`}, now() - interval '30 days', 'last month'),
    (${`${ID}3`}, now() - interval '2 years', 'long ago')`;
}

async function journal(cli: CommandLine, tier: "core" | "main" | "archive"): Promise<string[]> {
  const [row] = await cli.sql(tier)`
    select coalesce(array_agg(content order by created_at), '{}') as contents from public.journal_entries`;
  return row?.contents;
}

/** Everything setup decides, on one tier; the moment it was decided is left out. */
async function decided(cli: CommandLine, tier: "core" | "main" | "archive") {
  const [row] = await cli.sql(tier)<{ decided: unknown }[]>`
    select jsonb_build_object(
      'self', (select to_jsonb(s) - 'became_at' from strata.self as s),
      'tiers', (select jsonb_agg(to_jsonb(t) order by t.position) from strata.tiers as t),
      'links', (select jsonb_agg(jsonb_build_array(l.neighbour, l.driver, l.server) order by l.neighbour)
                  from strata.links as l),
      'datasets', (select jsonb_agg(to_jsonb(d) - 'managed_at' - 'revision' order by d.name)
                     from strata.datasets as d)) as decided`;
  return row?.decided;
}

Deno.test("setup --init makes three tiers, and running it again changes nothing", async () => {
  await using cli = await commandLine();
  const first = await cli.strata("setup", "--init");
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /main dials core \(pull\)/);
  assert.match(first.out, /17 datasets are managed/);
  const before = [await decided(cli, "core"), await decided(cli, "main")];
  assert.equal((await cli.strata("setup", "--init")).code, 0);
  assert.deepEqual([await decided(cli, "core"), await decided(cli, "main")], before);
});

Deno.test("setup --init tells each tier how to wake its functions, and main how to keep core awake", async () => {
  await using cli = await commandLine();
  const url = "http://127.0.0.1:9";
  assert.equal((await cli.strata("setup", "--init")).code, 0);
  const known = async (tier: "core" | "main" | "archive") => {
    const rows = await cli.sql(tier)<{ name: string; secret: string }[]>`
      select name, decrypted_secret as secret from vault.decrypted_secrets order by name`;
    return rows.map(({ name, secret }) => [name, secret]);
  };
  const [core, main, archive] = [await known("core"), await known("main"), await known("archive")];
  const wakeSecret = (rows: typeof core) =>
    rows.find(([name]) => name === "wake_secret")?.[1] ?? "";
  const own = (rows: typeof core) => [["project_url", url], ["wake_secret", wakeSecret(rows)]];
  assert.deepEqual(core, own(core));
  const ofCore = [["core_project_url", url], ["core_wake_secret", wakeSecret(core)]];
  assert.deepEqual(main, [...ofCore, ...own(main)]);
  assert.deepEqual(archive, own(archive));
  const secrets = [core, main, archive].map(wakeSecret);
  assert.ok(secrets.every((secret) => /^[0-9a-f]{64}$/.test(secret)));
  assert.equal(new Set(secrets).size, 3);
});

Deno.test("setup --init takes over a changed driver and policy", async () => {
  await using cli = await commandLine();
  await cli.strata("setup", "--init");
  await cli.configure(
    "lifecycle_policies: { journal_entries: { core_retention_days: 14 }, absent: {} }",
    {
      core: "{ pool_size: 30, link: { driver: push } }",
      main: "{ pool_size: 30, link: { driver: push } }",
    },
  );
  const { out } = await cli.strata("setup", "--init");
  assert.match(out, /core dials main \(push\)/);
  assert.match(out, /lifecycle_policies\.absent: there is no table public\.absent on core/);
  const [dataset] = await cli.sql("core")<{ days: number }[]>`
    select core_retention_days as days from strata.datasets where name = 'journal_entries'`;
  assert.equal(dataset?.days, 14);
  await writeJournal(cli);
  assert.equal((await cli.strata("sync")).code, 0);
  assert.deepEqual(await journal(cli, "archive"), ["long ago"]);
});

Deno.test("sync settles rows through the chain, plan and explain ask every tier", async () => {
  await using cli = await commandLine();
  await cli.strata("setup", "--init");
  await writeJournal(cli);

  const plan = JSON.parse((await cli.strata("plan", "journal_entries", "--json")).out);
  assert.deepEqual(
    plan.plan.map((row: Record<string, unknown>) => [row["tier"], row["action"], row["rows_now"]]),
    [["core", "move", "2"], ["main", "move", "0"], ["archive", "delete", "0"]],
  );

  const { code, out } = await cli.strata("sync", "--json");
  assert.equal(code, 0, out);
  const sync = JSON.parse(out);
  assert.deepEqual([sync.rows, sync.still_due, sync.troubles], ["3", "0", []]);
  assert.deepEqual(await journal(cli, "core"), ["yesterday"]);
  assert.deepEqual(await journal(cli, "main"), ["last month"]);
  assert.deepEqual(await journal(cli, "archive"), ["long ago"]);
  assert.match((await cli.strata("sync")).out, /Nothing was moved/);

  const { explanations } = JSON.parse(
    (await cli.strata("explain", "journal_entries", `${ID}3`, "--json")).out,
  );
  const where = explanations.filter(({ topic }: { topic: string }) => topic === "where")
    .map(({ tier, says }: { tier: string; says: string }) => `${tier}: ${says.slice(0, 10)}`);
  assert.deepEqual(where, ["core: not on cor", "main: not on mai", "archive: on archive"]);
});

Deno.test("sync tries at once what rests because it failed, and says what fails now", async () => {
  await using cli = await commandLine();
  await cli.strata("setup", "--init");
  await writeJournal(cli);
  const outage = async () => {
    await cli.sql("main")`select strata.note_link('core', '08001', 'nothing answers there')`;
    await cli.sql("core")`select strata.note_failure('journal_entries', '08006', 'the line broke')`;
  };
  const core = `alter database ${cli.databases.get("core")?.name}`;
  await outage();
  await cli.sql("core").unsafe(`${core} set default_transaction_read_only = on`); // as the platform does it
  const { code, out, err } = await cli.strata("sync");
  assert.equal(code, 0, `${out}${err}`);
  assert.match(out, /^journal_entries +core +main +2 /m);
  await cli.sql("core").unsafe(`${core} reset default_transaction_read_only`);

  await outage();
  await cli.sql("main")`drop table public.journal_entries`;
  await cli.sql("core")`update public.journal_entries set created_at = '2020-01-01'`;
  const failing = await cli.strata("sync", "--dataset", "journal_entries");
  assert.equal(failing.code, 1);
  assert.match(
    failing.out,
    /^Nothing was moved\.\nOn core, dataset journal_entries: .* \(\w{5}\)\. Next try on 20\d\d-[\d: -]{11} UTC\.\n→ /,
  );
});

Deno.test("setup makes a chain of two tiers, and rows go the whole way in one step", async () => {
  await using cli = await commandLine(["core", "archive"]);
  const { code, out } = await cli.strata("setup", "--init");
  assert.equal(code, 0);
  assert.match(out, /archive dials core \(pull\)/);
  await writeJournal(cli);
  assert.equal((await cli.strata("sync")).code, 0);
  assert.deepEqual(await journal(cli, "core"), ["yesterday"]);
  assert.deepEqual(await journal(cli, "archive"), ["long ago", "last month"]);
});

Deno.test("a tier that is down is skipped with a sentence, the others are set up", async () => {
  await using cli = await commandLine();
  cli.environment["STRATA_ARCHIVE_DB_URL"] = "postgresql://postgres:x@127.0.0.1:9/postgres";
  const { code, out, err } = await cli.strata("setup", "--init");
  assert.equal(code, 1);
  assert.match(err, /^archive is skipped: nothing answers there\n→ Start that database/m);
  assert.match(out, /main dials core \(pull\)/);
  await writeJournal(cli);
  const sync = JSON.parse((await cli.strata("sync", "--dataset", "journal_entries", "--json")).out);
  assert.deepEqual(sync.skipped.map(({ tier }: { tier: string }) => tier), ["archive"]);
  assert.deepEqual(await journal(cli, "main"), ["long ago", "last month"]);
  const status = await cli.strata("status");
  assert.equal(status.code, 1);
  assert.match(status.out, /archive .* not reachable/);
});

Deno.test("setup refuses a database that is another tier already, before changing it", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.sql("core")`select strata.become(p_tier => 'main')`;
  const { code, err } = await cli.strata("setup", "--init");
  assert.equal(code, 1);
  assert.match(err, /core is skipped: that database is main already, not core/);
});

Deno.test("setup says what a relay needs", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.configure("", { core: "{ pool_size: 30, link: { driver: relay } }" });
  const { out } = await cli.strata("setup", "--init");
  assert.match(
    out,
    /core and main are linked by the edge function relay: deploy the functions to core's/,
  );
});

Deno.test("setup --validate finds what is wrong, and says what to do", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  await cli.sql("main")`alter table public.tasks drop column notes`;
  const { code, out } = await cli.strata("setup", "--validate", "--json");
  assert.equal(code, 1);
  const wrong = JSON.parse(out).checks.filter(({ ok }: { ok: boolean }) => !ok);
  const twins = wrong.find(({ topic }: { topic: string }) => topic === "twins of core");
  assert.match(twins.says, /column "notes" is gone from twin/);
  assert.match(
    twins.remedy,
    /alter table public\.tasks add column …; or .* select strata\.forget_twin\('tasks'\);$/,
  );
  assert.ok(wrong.every(({ remedy }: { remedy: string }) => remedy.length > 0));
});

Deno.test("setup --validate says where Strata is not set up", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.sql("core")`drop schema strata cascade`;
  const { code, out } = await cli.strata("setup", "--validate");
  assert.equal(code, 1);
  assert.match(out, /Strata is not set up on core\n +→ Run `deno task strata setup --init`/);
  await cli.sql("main")`drop schema strata cascade`;
  const both = await cli.strata("setup", "--validate");
  assert.equal(both.code, 1);
  assert.match(both.out, /Strata is not set up on main\n +→ Run/);
});

Deno.test("setup --validate says how much is open to others, not each of it", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  await cli.sql("core")`grant select on all tables in schema strata to anon, authenticated`;
  const { out } = await cli.strata("setup", "--validate", "--json");
  const grants = JSON.parse(out).checks.filter(({ topic }: { topic: string }) =>
    topic === "grants"
  );
  const some =
    /^\d\d are open to anon, authenticated: strata\.\w+, strata\.\w+, strata\.\w+ and \d\d more$/;
  assert.match(grants[0].says, some);
  assert.equal(grants[1].ok, true);
  await cli.sql("core").unsafe(grants[0].remedy);
  const mended = JSON.parse((await cli.strata("setup", "--validate", "--json")).out).checks;
  assert.ok(mended.find(({ topic }: { topic: string }) => topic === "grants").ok);
});

Deno.test("setup puts an invented life into a core of this machine and into no other", async () => {
  await using cli = await commandLine(["core", "main"]);
  cli.environment["STRATA_CORE_DB_URL"] = "postgresql://postgres:x@db.example.org:5432/postgres";
  for (const flag of ["--sample-data", "--all"]) {
    const { code, out, err } = await cli.strata("setup", flag);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, /^core is not on this machine, .*\n→ .*setup --init --validate/);
  }
  const hosts = ["localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpostgresql", "localhost.example.org"];
  const local = hosts.filter((host) => isLocal(`postgresql://postgres:x@${host}/postgres`));
  assert.deepEqual(local, hosts.slice(0, 4));
});

Deno.test("manage adopts a table, refuses one that cannot be, and load fills it", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  await cli.sql("core")`create table public.orders (no bigint primary key, placed date)`;
  const refused = await cli.strata("manage", "orders");
  assert.equal(refused.code, 1);
  assert.match(refused.err, /has no column "created_at"/);
  const unquoted = await cli.strata("manage", "My Orders");
  assert.equal(unquoted.code, 2);
  assert.match(unquoted.err, /^that is not the name of a table .*\n→ .* public\."My Table"\.$/);
  const made = await cli.strata("manage", "orders", "--age", "placed", "--delete", "never");
  assert.equal(made.code, 0, made.err);
  assert.match(made.out, /leaves core at 30 days, main at 365 days, and is deleted never/);

  const empty = await Deno.makeTempFile({ suffix: ".csv" });
  await Deno.writeTextFile(empty, "no,placed\n");
  const none = await cli.strata("load", "orders", empty);
  assert.deepEqual([none.code, none.out], [1, "No rows found in the file."]);
  await Deno.writeFile(empty, Uint8Array.from([...new TextEncoder().encode("no,placed\n"), 0xe9]));
  const latin = await cli.strata("load", "orders", empty);
  assert.equal(latin.code, 1);
  assert.equal(
    latin.err,
    "line 2: this is not UTF-8\n→ Convert the file: iconv -f latin1 -t utf-8",
  );
  await Deno.remove(empty);

  const file = await Deno.makeTempFile({ suffix: ".csv" });
  await Deno.writeTextFile(file, "no,placed\n9007199254740993,2020-01-01\nx,2020-01-01\n");
  const bad = await cli.strata("load", "orders", file);
  assert.deepEqual([bad.code, /line 3: column "no"/.test(bad.out)], [1, true]);
  const skipped = JSON.parse(
    (await cli.strata("load", "orders", file, "--skip-bad", "--json")).out,
  );
  assert.deepEqual([skipped.loaded, skipped.bad_count, skipped.kept], [1, 1, true]);
  await Deno.remove(file);
  const [row] = await cli.sql("core")<{ no: string }[]>`select no::text from public.orders`;
  assert.equal(row?.no, "9007199254740993");
});

Deno.test("manage changes what its options name of a managed table, and nothing else", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  const core = cli.sql("core");
  await core`create table public.orders (id int primary key, placed_at date)`;
  await core`select strata.manage('public.orders', p_age_column => 'placed_at', p_core_retention_days => 60,
    p_main_retention_days => 730, p_delete_after_days => null, p_due_when => 'id > 1', p_size_limit_kb => null)`;
  const changed = await cli.strata("manage", "orders", "--core", "90", "--json");
  assert.equal(changed.code, 0, changed.err);
  const policy = {
    dataset: "orders",
    table: "public.orders",
    ageColumn: "placed_at",
    coreRetentionDays: 90,
    mainRetentionDays: 730,
    deleteAfterDays: -1,
    dueWhen: "id > 1",
    sizeLimitKb: null,
    deleteTriggers: null,
  };
  assert.deepEqual(JSON.parse(changed.out).policy, policy);

  const other = await cli.strata("manage", "orders", "--size-limit-kb", "7", "--due-when", "none");
  assert.equal(other.code, 0, other.err);
  const { datasets } = JSON.parse((await cli.strata("monitor", "lifecycle", "--json")).out);
  const orders = datasets.find(({ name }: { name: string }) => name === "orders");
  assert.deepEqual([orders.size_limit_kb, orders.due_when, orders.delete_after_days], [
    7,
    null,
    null,
  ]);
});

Deno.test("manage takes a new table's policy from the configuration, and setup says it again", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.configure(
    "lifecycle_policies: { orders: { age_column: placed_at, core_retention_days: 7, delete_after_days: never } }",
  );
  await cli.strata("setup", "--init");
  await cli.sql("core")`create table public.orders (id int primary key, placed_at date)`;
  const says = (out: string) => out.match(/leaves core .*$/)?.[0];
  const made = await cli.strata("manage", "orders", "--main", "400");
  assert.equal(says(made.out), "leaves core at 7 days, main at 400 days, and is deleted never.");
  await cli.strata("setup", "--init");
  const [row] = await cli.sql("core")`
    select main_retention_days from strata.datasets where name = 'orders'`;
  assert.equal(row?.main_retention_days, 365);
});

Deno.test("explain says of a tier that has not heard of a dataset when it will", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  await cli.sql("core")`create table public.orders (id int primary key, created_at date)`;
  await cli.strata("manage", "orders");
  const { code, out, err } = await cli.strata("explain", "orders", "900");
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^main +where +not on main, which learns of orders with the first move$/m);
  assert.match(out, /No tier has this row/);
  const wrong = await cli.strata("explain", "oders", "900");
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^[Tt]here is no dataset "oders"\n→ /);
  for (const key of ["abc", "9999999999"]) {
    const { code, err } = await cli.strata("explain", "orders", key);
    assert.equal(code, 2);
    assert.equal(
      err,
      `the key column "id" of "orders" is of type integer, "${key}" was given\n` +
        "→ Give the value of that column in the row that you mean.",
    );
  }
  assert.equal((await cli.strata("explain", "orders", "1", "2")).code, 2);
});

Deno.test("monitor shows sizes, moves and policies, each as JSON too", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  await writeJournal(cli);
  await cli.strata("sync");
  const sizes = JSON.parse((await cli.strata("monitor", "sizes", "--json")).out);
  assert.deepEqual(sizes.tiers.map(({ tier }: { tier: string }) => tier), ["core", "main"]);
  assert.match(sizes.tiers[0].bytes, /^\d+$/);
  assert.match((await cli.strata("monitor", "sizes")).out, /🟢 core: .* of 500 MB/);
  assert.match((await cli.strata("monitor", "sync")).out, /journal_entries +core +main +2 /);
  const { datasets } = JSON.parse((await cli.strata("monitor", "lifecycle", "--json")).out);
  assert.equal(datasets.length, 17);
});

Deno.test("setup --sample-data brings the companion's tables, which it fills, where setup has left them out", async () => {
  await using cli = await commandLine(["core", "main"]);
  for (const tier of ["core", "main"] as const) {
    await cli.sql(tier).unsafe(
      "drop schema strata cascade; drop schema public cascade; create schema public",
    );
  }
  assert.equal((await cli.strata("setup", "--init")).code, 0);
  const { code, out, err } = await cli.strata("setup", "--sample-data", "--json");
  assert.equal(code, 0, out + err);
  assert.ok(Number(JSON.parse(out).sample.rows) > 10_000);
});
