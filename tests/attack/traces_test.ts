/** Attacker: whoever has a copy of every table and log after a person's rows are gone everywhere. */
import assert from "node:assert/strict";
import { connectLocally } from "../../local/cluster.ts";
import { auditAll } from "../support/audit.ts";
import type { TestDatabase } from "../support/database.ts";
import {
  dialledTest,
  endPauses,
  type MoveChain,
  rowsOfChain,
  runOnce,
  setAsideOn,
  settle,
  THREE_TIERS,
} from "../support/moves.ts";
import { serverLogs } from "../support/server_logs.ts";
import { testCluster } from "../support/stack.ts";

/** The tables of a tier in which a text stands, as its superuser sees them. */
async function tablesWith({ tier, name }: TestDatabase, marker: string): Promise<string[]> {
  const sql = connectLocally(await testCluster(tier), name);
  try {
    const tables = await sql<{ name: string }[]>`
      select c.oid::regclass::text as name
        from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
       where c.relkind in ('r', 'm', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`;
    const found: string[] = [];
    for (const table of tables) {
      const rows = await sql.unsafe(
        `select from ${table.name} as t where strpos(t::text, $1) > 0 limit 1`,
        [marker],
      );
      if (rows.length > 0) found.push(`${tier} ${table.name}`);
    }
    return found;
  } finally {
    await sql.end();
  }
}

async function found(chain: MoveChain, marker: string): Promise<string[]> {
  return (await Promise.all(chain.databases.map((one) => tablesWith(one, marker)))).flat().sort();
}

/** A diary on core that all tiers know. */
async function diary(chain: MoveChain): Promise<void> {
  const { core } = chain;
  await chain.freezeClock("2026-07-01T00:00:00Z");
  await core.sql`create table public.diary (
    id text primary key, created_at timestamptz not null, body text)`;
  await core.sql`select strata.manage('public.diary', p_core_retention_days => 30,
    p_main_retention_days => 100, p_delete_after_days => 400)`;
  await core.sql`insert into public.diary values ('old', '2025-12-01', 'nothing')`;
  await settle(chain);
}

/** Everything of a person's rows that can go wrong goes wrong, and everybody is told. */
async function makeTrouble(chain: MoveChain, marker: string): Promise<void> {
  const { core, main } = chain;
  await main.sql`create function public.meddle() returns trigger language plpgsql as
    $$ begin if new.id like '2 %' then raise exception 'not %', new.body; end if; return new; end $$`;
  await main.sql`create trigger meddle before insert on public.diary
    for each row execute function public.meddle()`;
  await main
    .sql`insert into public.diary values (${`3 ${marker}`}, '2026-05-01', 'main was first')`;
  for (let n = 1; n <= 5; n++) {
    await core.sql`insert into public.diary values (${`${n} ${marker}`}, '2026-05-01', ${marker})`;
  }
  await core
    .sql`select strata.hold('diary', array[${`4 ${marker}`}], p_reason => 'as long as it takes')`;
  await core.sql`update strata.settings set value = 1 where name = 'failed_moves'`;
  await runOnce(chain);
  await core.sql`select strata.note_failure('diary', '22P02', ${`copy: no number: "${marker}"`})
                   from generate_series(1, 3)`;
  await tellEverybody(chain);
  assert.deepEqual((await setAsideOn(core)).map(({ key }) => key), [`2 ${marker}`, `3 ${marker}`]);
}

async function tellEverybody(chain: MoveChain): Promise<void> {
  await auditAll(chain);
  for (const { sql } of [...chain.databases, ...chain.databases.toReversed()]) {
    await sql`call strata.watchdog()`;
  }
  await chain.core.sql`call strata.report_daily()`;
  await chain.core.sql`call strata.deliver()`;
}

dialledTest(
  "of rows that are gone everywhere nothing is left, in no table and no log",
  async (chain) => {
    const { core, main } = chain;
    await diary(chain);
    const logs = await serverLogs();
    const marker = `marker${crypto.randomUUID()}`;
    await makeTrouble(chain, marker);
    const told = await found(chain, marker);
    for (const table of ["set_aside", "failures", "datasets", "alerts", "holds", "outbox"]) {
      assert.ok(told.includes(`core strata.${table}`), `${table} is not in ${told}`);
    }
    const auditor = chain.driver === "push" ? "core" : "main";
    assert.ok(told.includes(`${auditor} strata.audit_findings`), `${told}`);

    await main.sql`drop trigger meddle on public.diary`;
    await main.sql`delete from public.diary where body = 'main was first'`;
    await core.sql`select strata.release(hold_id) from strata.holds`;
    await endPauses(chain);
    await settle(chain);
    await chain.freezeClock("2027-01-01T00:00:00Z");
    await settle(chain); // to the archive
    assert.equal((await rowsOfChain(chain, "public.diary")).length, 6);

    await chain.freezeClock("2027-12-01T00:00:00Z");
    for (const { sql } of chain.databases.toReversed()) await sql`call strata.upkeep()`;
    for (const { sql } of [...chain.databases, ...chain.databases.toReversed()]) {
      await sql`call strata.watchdog()`;
    }
    for (const { sql } of chain.databases) await sql`call strata.upkeep()`;
    assert.deepEqual(await rowsOfChain(chain, "public.diary"), []);
    assert.deepEqual(await found(chain, marker), []);

    const log = (await logs.read()).split("\n").filter((line) => line.includes(marker));
    assert.deepEqual(log, []);
  },
  { tiers: THREE_TIERS },
);

dialledTest("what is set aside, held or found stays as long as its row does", async (chain) => {
  const { core } = chain;
  await diary(chain);
  const marker = `marker${crypto.randomUUID()}`;
  await makeTrouble(chain, marker);
  for (const { sql } of chain.databases) await sql`call strata.upkeep()`;

  assert.deepEqual((await setAsideOn(core)).map(({ key }) => key), [`2 ${marker}`, `3 ${marker}`]);
  const [aside] = await setAsideOn(core);
  assert.equal(aside?.says, `main refuses the row: not ${marker}`);
  const [held] = await core.sql`select array_to_string(key, '') as key from strata.holds`;
  assert.equal(held?.key, `4 ${marker}`);
  const [failure] = await core.sql`select says from strata.failures where code = '22P02' limit 1`;
  assert.equal(failure?.says, "copy: a value does not fit");

  await core.sql`delete from public.diary where id = ${`2 ${marker}`}`;
  await core.sql`call strata.upkeep()`;
  assert.deepEqual((await setAsideOn(core)).map(({ key }) => key), [`3 ${marker}`]);
}, { tiers: THREE_TIERS });

dialledTest("what is kept of a month with one row confirms no guess of it", async (chain) => {
  const { core, main } = chain;
  await diary(chain);
  await core.sql`insert into public.diary values ('1', '2026-05-01', 'guessed')`;
  await settle(chain);
  await auditAll(chain);
  await main.sql`update public.diary set body = 'lost' where id = '1'`;
  await auditAll(chain); // the account differs by that row
  const [guess] = await main.sql<{ digest: string }[]>`
    select strata.take_stock('diary', '2026-05', null) ->> 'digest' as digest`;
  const [right] = await core.sql<{ digest: string }[]>`
    select strata.ledger_entry('diary', '{moved}', '2026-05', 'came') ->> 'came_digest' as digest`;
  assert.notEqual(guess?.digest, right?.digest);
  for (const digest of [guess?.digest ?? "", right?.digest ?? ""]) {
    const both = (BigInt(guess?.digest ?? 0) ^ BigInt(right?.digest ?? 0)).toString();
    assert.deepEqual(await found(chain, digest), []);
    assert.deepEqual(await found(chain, both), []);
  }
  const [kept] = await core.sql`select from strata.ledger_keys`;
  assert.equal(kept, undefined); // in Vault
}, { tiers: THREE_TIERS });

dialledTest("an audit goes on when the key of the digests is another", async (chain) => {
  const { core, main } = chain;
  await diary(chain);
  await core.sql`insert into public.diary values ('1', '2026-05-01', 'one')`;
  await settle(chain);
  await auditAll(chain);
  for (const { sql } of chain.databases) {
    await sql`insert into strata.ledger_keys (key) values (sha256('another'))`;
  }
  await auditAll(chain);
  await core.sql`insert into public.diary values ('2', '2026-05-02', 'two')`;
  await settle(chain);
  await auditAll(chain);
  const findings = () =>
    Promise.all(chain.databases.map(({ sql }) => sql`select kind from strata.audit_findings`));
  assert.deepEqual((await findings()).flat(), []);
  await main.sql`update public.diary set body = 'changed' where id = '2'`;
  await auditAll(chain);
  assert.deepEqual((await findings()).flat().map(({ kind }) => kind), ["altered"]);
}, { tiers: THREE_TIERS });
