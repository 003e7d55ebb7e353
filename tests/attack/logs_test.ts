/** Attacker: whoever reads a server's log. No value, key or password of anybody's is in it. */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { connectLocally } from "../../local/cluster.ts";
import { setSecret } from "../../supabase/functions/_strata/protocol/strata_secrets.ts";
import { auditAll } from "../support/audit.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import {
  dialledTest,
  endPauses,
  endsOfLink,
  type MoveChain,
  moveTest,
  runLink,
  runOnce,
  setAsideOn,
  settle,
  waitForLock,
} from "../support/moves.ts";
import { type ServerLogs, serverLogs } from "../support/server_logs.ts";
import { testCluster } from "../support/stack.ts";
import { waitFor } from "../support/wait_for.ts";

/** Diary entries that are due on main, each with the marker in key and text. */
async function write({ sql }: TestDatabase, marker: string, first: number, last: number) {
  for (let n = first; n <= last; n++) {
    await sql`insert into public.diary values (
      ${`${n} ${marker}`}, now() - interval '60 days' + ${n} * interval '1 second', ${marker})`;
  }
}

/** A diary that main knows, and the logs from then on. */
async function diary(chain: MoveChain): Promise<{ marker: string; logs: ServerLogs }> {
  const marker = `marker${crypto.randomUUID()}`;
  await chain.core.sql`create table public.diary (
    id text primary key, created_at timestamptz not null, body text)`;
  await chain.core.sql`select strata.manage('public.diary')`;
  await settle(chain);
  return { marker, logs: await serverLogs() };
}

/** Runs while somebody keeps the table on a tier locked; the run meets its end meanwhile. */
async function runAgainstLock(
  chain: MoveChain,
  { sql }: TestDatabase,
  meanwhile: (sql: Sql) => Promise<unknown>,
): Promise<void> {
  await sql.begin(async (lock) => {
    await lock`lock table public.diary in access exclusive mode`;
    const run = runLink(chain).catch(() => {}); // a run that is cancelled in its own session
    await waitForLock(sql, "diary");
    await meanwhile(sql);
    await run;
  });
  await endPauses(chain);
}

/** The log tells of the error, and of nothing in the rows. */
async function assertLogged(logs: ServerLogs, error: string, marker: string): Promise<void> {
  await waitFor(`"${error}" in a log`, async () => (await logs.read()).includes(error));
  const log = await logs.read();
  const at = log.indexOf(marker);
  assert.equal(at === -1 ? "" : log.slice(Math.max(0, at - 400), at + 80), "");
}

dialledTest("a receiver that waits too long for a lock logs no row", async (chain) => {
  const { marker, logs } = await diary(chain);
  await write(chain.core, marker, 1, 20);
  await runAgainstLock(chain, chain.main, () => Promise.resolve());
  if (chain.driver === "push") {
    await assertLogged(logs, "canceling statement due to lock timeout", marker);
    assert.match(await logs.read(), /STATEMENT: .*strata\.receive/);
  } else await assertLogged(logs, "", marker);
});

dialledTest("a receiver that is cancelled logs no row", async (chain) => {
  const { marker, logs } = await diary(chain);
  await write(chain.core, marker, 1, 20);
  await runAgainstLock(
    chain,
    chain.main,
    (sql) =>
      sql`select pg_cancel_backend(l.pid) from pg_locks as l join pg_class as c on c.oid = l.relation
         where c.relname = 'diary' and not l.granted
           and l.database = (select oid from pg_database where datname = current_database())`,
  );
  await assertLogged(logs, "canceling statement due to user request", marker);
});

moveTest("a receiver that runs out of time logs no row", async (chain) => {
  const { marker, logs } = await diary(chain);
  await write(chain.core, marker, 1, 20);
  await chain.core.sql`update strata.settings set value = 1 where name = 'link_timeout'`;
  await runAgainstLock(chain, chain.main, () => Promise.resolve());
  await assertLogged(logs, "canceling statement due to statement timeout", marker);
}, { drivers: ["push"] });

dialledTest(
  "rows that are refused, in conflict or changed log nothing of theirs",
  async (chain) => {
    const { core, main } = chain;
    const { marker, logs } = await diary(chain);
    await write(core, marker, 1, 6);
    await main.sql`insert into public.diary values (${`1 ${marker}`}, now(), ${`other ${marker}`})`;
    await main.sql`alter table public.diary add constraint not_two check (id !~ '^2 ')`;
    await main.sql`create unique index one_body on public.diary (body) where id ~ '^[34] '`;
    await runOnce(chain);
    assert.equal((await setAsideOn(core)).length, 3);

    await core.sql`create function public.guard() returns trigger language plpgsql as
    $$ begin raise exception 'not %', old.body; end $$`;
    await core.sql`create trigger guard before delete on public.diary
    for each row execute function public.guard()`;
    await core.sql`select strata.manage('public.diary', p_delete_triggers => 'fire')`;
    await write(core, marker, 7, 8);
    await endPauses(chain);
    await runOnce(chain);
    await auditAll(chain);
    for (const { sql } of chain.databases) await sql`call strata.watchdog()`;
    await assertLogged(logs, "", marker);
  },
);

dialledTest("a purge that waits too long for a lock logs no key and no proof", async (chain) => {
  const { marker, logs } = await diary(chain);
  const { driven } = endsOfLink(chain);
  await write(chain.core, marker, 1, 3);
  await driven.sql`create function public.late() returns trigger language plpgsql as
    $$ begin perform pg_cancel_backend(pg_backend_pid()); return null; end $$`;
  const table = chain.driver === "push" ? "strata.arrivals" : "strata.moves";
  await driven.sql.unsafe(`create trigger late after update on ${table}
    for each statement execute function public.late()`);
  await runLink(chain);
  await assertLogged(logs, "canceling statement due to user request", marker);
  const log = await logs.read();
  assert.match(log, /STATEMENT: .*strata\.(purge|close_arrival)/);
  assert.doesNotMatch(log, /\\\\?x[0-9a-f]{32}/);
});

dialledTest("an audit that is cancelled logs no key", async (chain) => {
  const { marker, logs } = await diary(chain);
  await write(chain.core, marker, 1, 3);
  await settle(chain);
  const { driven } = endsOfLink(chain);
  await chain.core.sql`insert into public.diary values (${`9 ${marker}`}, now(), ${marker})`;
  await driven.sql.unsafe(
    `alter function strata.${
      chain.driver === "push" ? "keys_here(text, text[])" : "keys_page(text, text[])"
    } set lock_timeout = '1ms'`,
  );
  await driven.sql.begin(async (lock) => {
    await lock`lock table public.diary in access exclusive mode`;
    await auditAll(chain);
  });
  await assertLogged(logs, "canceling statement due to", marker);
});

Deno.test("a secret is in no log, even of a server that logs every statement", async () => {
  await using db = await testDatabase();
  await using admin = await logEverything(db);
  const logs = await serverLogs();
  const secret = `secret${crypto.randomUUID()} "',\\n ü`;
  const session = db.connect({ max: 1 });
  assert.equal(await setSecret(session, "secret_key", secret), true);
  const [kept] = await session`select strata.secret('secret_key') as secret`;
  assert.equal(kept?.secret, secret);
  await assertLogged(logs, "strata.take_over('secret')", secret.slice(0, 42));
  await assert.rejects(session`select strata.take_over('secret')`, { code: "ST036" });
  assert.equal((await admin.sql`select from strata.handed`).length, 0);
});

Deno.test("what is handed over is taken once, and a question without it says so", async () => {
  await using db = await testDatabase();
  const session = db.connect({ max: 1 });
  await session`select strata.hand_over('keys', '{a}')`;
  const [row] = await session`select strata.take_over('keys') as keys`;
  assert.equal(row?.keys, "{a}");
  await assert.rejects(session`select strata.take_over('keys')`, { code: "ST036" });
});

/** From the next session on, the server logs every statement in this database. */
async function logEverything(db: TestDatabase) {
  const sql = connectLocally(await testCluster(db.tier), db.name);
  await sql.unsafe(`alter database ${db.name} set log_statement = 'all'`);
  return { sql, [Symbol.asyncDispose]: () => sql.end() };
}
