/** `advise`: indexes that can go, room that can be given back, and the order for somebody who is full. */
import assert from "node:assert/strict";
import { Reader } from "../../cli/advise/reader.ts";
import { type BareDatabase, bareDatabase } from "../support/bare_database.ts";
import { strata } from "../cli/support.ts";
import { type Advised, advised, SHOP, told } from "./support.ts";

/** Runs statements one by one in one session, as a person does. */
async function runs(db: BareDatabase, statements: readonly string[]): Promise<void> {
  const session = db.connect({ max: 1 });
  for (const statement of statements) await session.unsafe(statement);
  await session.end();
}

const bytesHere = ({ databases }: Advised) => databases.find(({ current }) => current)?.bytes ?? 0;

Deno.test("advise names indexes that are there twice, covered, broken or never used, and no others", async () => {
  await using db = await bareDatabase(`
    create table public.parents (id int primary key);
    create table public.t (
      id int primary key, a int, b int, c int, d int, e int, parent int references public.parents,
      unique (a), created_at timestamptz not null default now(), exclude using btree (d with =));
    insert into public.t select i, i, i, i, i, i, null, now() from generate_series(1, 20000) as i;
    create index unused on public.t (e);
    create index again on public.t (e);
    create index of_key on public.t (id);
    create index narrow on public.t (b);
    create index wide on public.t (b, c);
    create index other_order on public.t (b desc);
    create index partial on public.t (b) where c > 3;
    create index by_expression on public.t ((b + 1));
    create index by_expression_again on public.t ((b + 1));
    create unique index stands_for_something on public.t (c);
    create index of_parent on public.t (parent);
    create index of_age on public.t (created_at);
    analyze public.t`);
  const used = db.connect({ max: 1, connection: { enable_seqscan: "off" } });
  for (const condition of ["b = 3", "b = 3 and c > 3", "b = 3 and c = 3", "b + 1 = 4"]) {
    await used.unsafe(`select from public.t where ${condition}`);
  }
  await used.unsafe("select from public.t order by b desc limit 1");
  await used.end();
  const { indexes, gains } = await advised(db.url);
  const why = Object.fromEntries(
    indexes.map(({ index, why }) => [index.replace("public.", ""), why]),
  );
  assert.deepEqual(
    [why["of_key"], why["again"], why["unused"], why["of_parent"], why["of_age"]],
    ["twice", "twice", "unused", "kept", "kept"],
  );
  assert.ok(
    [why["by_expression"], why["by_expression_again"]].filter((one) => one === "twice").length ===
      1,
  );
  for (const stays of ["t_pkey", "t_a_key", "t_d_excl", "stands_for_something", "wide"]) {
    assert.ok(why[stays] === undefined || (stays === "wide" && why[stays] === "unused"), stays);
  }
  assert.ok(why["partial"] !== "twice" && why["partial"] !== "covered");
  assert.ok(why["other_order"] !== "twice" && why["other_order"] !== "covered");
  assert.ok(!gains.some(({ what }) => /of_parent|of_age/.test(what)));
});

Deno.test("advise measures room of rows that are gone about as well as packing the table does", async () => {
  await using db = await bareDatabase(`
    create table public.half (id int primary key, short text, number numeric, at timestamptz, flag boolean)
      with (autovacuum_enabled = off);
    insert into public.half select i, 'n' || i, i, now(), i % 2 = 0 from generate_series(1, 80000) as i;
    create table public.whole (id int primary key, note text) with (autovacuum_enabled = off);
    insert into public.whole select i, repeat('x', i % 200) from generate_series(1, 40000) as i`);
  await runs(db, [
    "delete from public.half where id % 3 <> 0",
    "select pg_stat_force_next_flush()", // or the deletion is counted after VACUUM has counted anew
    "vacuum analyze",
  ]);
  const { gains } = await advised(db.url);
  assert.deepEqual(gains.map(({ what, statement }) => [what, statement]), [
    ["public.half", "vacuum full public.half;"],
  ]);
  const bytes = async () =>
    Number((await db.sql<{ n: string }[]>`select pg_table_size('public.half') as n`)[0]?.n);
  const before = await bytes();
  await db.sql.unsafe(gains[0]?.statement ?? "");
  const real = before - await bytes();
  assert.ok(Math.abs((gains[0]?.bytes ?? 0) - real) < real / 10, `${gains[0]?.bytes} of ${real}`);
});

/** What the platform leaves lying, as far as its columns tell. An autovacuum's snapshot would keep dead rows. */
const LEFT = `
  create schema cron;
  create table cron.job_run_details (runid bigint primary key, return_message text, end_time timestamptz)
    with (autovacuum_enabled = off);
  insert into cron.job_run_details select i, repeat('x', 100), now() - i * interval '1 minute'
    from generate_series(1, 20000) as i;
  create schema net;
  create table net._http_response (id bigint, content text, created timestamptz)
    with (autovacuum_enabled = off);
  insert into net._http_response select i, repeat('x', 100), now() from generate_series(1, 20000) as i;
  create schema auth;
  create table auth.audit_log_entries (id bigint primary key, payload json, created_at timestamptz)
    with (autovacuum_enabled = off);
  insert into auth.audit_log_entries select i, '{}', now() - i * interval '1 hour' from generate_series(1,
    30000) as i;
  create table auth.sessions (id bigint primary key, updated_at timestamptz, tag text)
    with (autovacuum_enabled = off);
  insert into auth.sessions select i, now() - i * interval '1 hour', repeat('x', 60) from generate_series(1,
    20000) as i;`;

Deno.test("advise says what the platform leaves lying, with what is lost; its statements run", async () => {
  await using db = await bareDatabase(LEFT);
  const { gains } = await advised(db.url);
  const of = (what: string) => gains.find((gain) => gain.what === what);
  assert.equal(of("cron.job_run_details")?.statement, "truncate cron.job_run_details;");
  assert.equal(of("net._http_response")?.statement, "truncate net._http_response;");
  assert.match(
    of("auth.audit_log_entries")?.statement ?? "",
    /^delete from .* interval '90 days'$|;$/,
  );
  assert.equal(of("auth.sessions")?.then, "vacuum full auth.sessions;");
  assert.match(
    await told(db.url),
    /cron\.job_run_details: .*; lost is what jobs said when they ran/,
  );
  const before = bytesHere(await advised(db.url));
  await runs(
    db,
    gains.flatMap(({ statement, then }) => [statement, ...(then === null ? [] : [then])]),
  );
  const after = await advised(db.url);
  assert.ok(before - bytesHere(after) > 5 * 1024 * 1024);
  assert.deepEqual(after.gains, []);
});

Deno.test("advise tells somebody who is full or read-only what to do in which order, and it works", async () => {
  await using db = await bareDatabase(`${SHOP} ${LEFT}
    alter table public.events set (autovacuum_enabled = off);
    delete from public.events where created_at < now() - interval '300 days'`);
  await db.sql`vacuum analyze`;
  const capacity = "10"; // less than the server's other databases take
  const nearly = await advised(db.url, "--capacity", capacity);
  assert.equal(nearly.full, true);
  assert.ok(nearly.next.some(({ run }) => run.includes("deno task strata drain")));
  assert.doesNotMatch(nearly.first[0]?.run.join() ?? "", /read write/);

  await db.sql.unsafe(`alter database ${db.name} set default_transaction_read_only = on`);
  const full = await strata(["advise", "--db-url", db.url, "--capacity", capacity]);
  assert.equal(full.code, 1);
  assert.match(full.out, /^🔴 .*, and read-only\n/);
  assert.match(full.out, /^Full: do this first, in this order\n {2}1\. It is read-only\./m);
  const { first, server } = await advised(db.url, "--capacity", capacity);
  assert.equal(server.read_only, true);
  const kinds = first.flatMap(({ run }) => run).map((line) =>
    line.split(" ").slice(0, 2).join(" ")
  );
  const order = [
    "set session",
    "drop index",
    "truncate cron.job_run_details;",
    "vacuum full",
    "alter database",
  ];
  assert.deepEqual(
    order.map((kind) => kinds.indexOf(kind)),
    order.map((kind) => kinds.indexOf(kind)).sort((a, b) => a - b),
  );
  assert.ok(order.every((kind) => kinds.includes(kind)), kinds.join());
  await runs(db, first.flatMap(({ run }) => run));
  const after = await advised(db.url, "--capacity", capacity);
  assert.deepEqual(
    [after.server.read_only, bytesHere(after) < bytesHere(nearly) - 5 * 1024 * 1024],
    [
      false,
      true,
    ],
  );
});

Deno.test("advise cannot write, whatever it asks", async () => {
  await using db = await bareDatabase("create table public.t (id int)");
  const reader = await Reader.open(db.url, {});
  const refused = await reader.ask("a write", (sql) => sql`insert into public.t values (1)`);
  assert.equal(refused, undefined);
  assert.match(reader.unseen[0]?.why ?? "", /read-only transaction/);
  await reader[Symbol.asyncDispose]();
  const [row] = await db.sql<{ n: number }[]>`select count(*)::int as n from public.t`;
  assert.equal(row?.n, 0);
});
