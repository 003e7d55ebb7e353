import { assertEquals, assertNotEquals } from "@std/assert";
import type { Sql } from "postgres";
import { auditAll, mismatches, unproved } from "../support/audit.ts";
import type { TestDatabase } from "../support/database.ts";
import { DIALLING, type MoveChain, settle, startJourney } from "../support/moves.ts";
import { differences, type Snapshot, snapshot } from "../support/snapshot.ts";
import { everyTable, restored } from "./dump.ts";
import { fill, TABLES } from "./fill.ts";
import { releasedChain, releasedDatabase, upgrade } from "./support.ts";

/** What an owner had in tables that both releases have, as text. */
const KEPT: Record<string, string> = {
  datasets:
    `select jsonb_strip_nulls(to_jsonb(x) - '{told_revision,told_shape,accepted,waits_for,due_when}'::text[]
    - case when trouble_sqlstate = 'ST028' then '{trouble,trouble_sqlstate,remedy}'::text[] else '{}' end)
    from strata.datasets as x`,
  holds: `select to_jsonb(x) - 'waits_for' - 'condition' from strata.holds as x`,
  set_aside: `select to_jsonb(x) - 'remedy' from strata.set_aside as x`,
  moves: `select to_jsonb(x) - 'digest' from strata.moves as x`,
  manifests:
    `select to_jsonb(x) - '{seal,batch_proof,for_drain}'::text[] from strata.manifests as x`,
  arrivals:
    `select to_jsonb(x) - '{versions,seed,brought}'::text[] from strata.arrivals as x where closed_at is null`,
  ledger: `select to_jsonb(x) - '{digest,strips,mask}'::text[] from strata.ledger as x`,
  drains:
    `select to_jsonb(x) - '{database_was_read_only,database_default,role_default}'::text[] from strata.drains as x`,
  drain_shares: `select to_jsonb(x) from strata.drain_shares as x`,
  alerts: `select to_jsonb(x) from strata.alerts as x`,
  failures: `select to_jsonb(x) from strata.failures as x`,
  samples: `select to_jsonb(x) from strata.samples as x`,
  findings: `select to_jsonb(x) - 'keys' from strata.audit_findings as x`,
  accounts:
    `select jsonb_build_array(neighbour, dataset, month, (good).rows, (good).came_rows, (good).left_rows, (good).met_rows,
    (seen).rows) from strata.audit_accounts as x`,
  links:
    `select to_jsonb(x) - '{skew,compared_at,insecure_because}'::text[] from strata.links as x`,
  tiers: `select to_jsonb(x) from strata.tiers as x`,
  self: `select to_jsonb(x) - '{looked_at,took_temporary}'::text[] from strata.self as x`,
  habits: `select jsonb_build_array(name, value) from strata.settings where value in (777, 121)
    union all select jsonb_build_array(job, cron, active) from strata.schedules where not active or cron = '30 3 * * *'
    union all select jsonb_build_array(name, amount) from strata.quotas where amount = 12345`,
};

async function kept(sql: Sql): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const [what, question] of Object.entries(KEPT)) {
    const rows = await sql.unsafe(`select k.it::text from (${question}) as k (it) order by 1`)
      .values();
    found[what] = rows.map(([text]) => String(text));
  }
  return found;
}

/** The rows of every tier: "notes 7" once for each tier that has it. */
async function everyRow(chain: MoveChain): Promise<string[]> {
  const found: string[] = [];
  for (const { sql } of chain.databases) {
    for (const table of TABLES) {
      const [there] = await sql`select to_regclass(${`public.${table}`}) as it`;
      if (there?.["it"] === null) continue;
      const rows = await sql`select id from public.${sql(table)}`;
      found.push(...rows.map(({ id }) => `${table} ${id}`));
    }
  }
  return found.sort();
}

/** Its catalogue is a fresh install's, and a dump that is restored is the same again. */
async function isLikeFresh(database: TestDatabase): Promise<void> {
  await using fresh = await releasedDatabase("today", database.tier);
  await using copy = await restored(database);
  assertEquals(differences(await catalogue(database.sql), await catalogue(fresh.sql)), []);
  assertEquals(differences(await catalogue(copy.sql), await catalogue(fresh.sql)), []);
  assertEquals(differences(await everyTable(copy.sql), await everyTable(database.sql)), []);
}

/** But for rows, which the owner may have changed. */
async function catalogue(sql: Sql): Promise<Snapshot> {
  const { settings: _settings, schedules: _schedules, quotas: _quotas, ...rest } = await snapshot(
    sql,
  );
  return rest;
}

/** Takes what a hotter tier had sent as SQL, as the owner of each tier is told to; returns what that was. */
async function takeConditions(chain: MoveChain): Promise<string[]> {
  const taken: string[] = [];
  for (const { sql, tier } of chain.databases) {
    const waiting =
      await sql`select dataset, condition from strata.waiting_conditions() order by 1`;
    for (const { dataset, condition } of waiting) {
      const [told] = await sql`select remedy from strata.datasets where name = ${dataset}`;
      await sql.unsafe(/select .*;/.exec(String(told?.["remedy"]))?.[0] ?? "");
      taken.push(`${tier} ${dataset} ${condition}`);
    }
  }
  return taken;
}

/** What was found stays found; what moved before the upgrade is only counted, until that is taken as right, and then proved. */
async function auditIsTaken(chain: MoveChain): Promise<void> {
  await auditAll(chain);
  const wrong = (await mismatches(chain)).map((one) => one.replace(/ \d{4}-\d\d /, " "));
  assertEquals(wrong, [
    "main met_purged besides 2",
    "main met_purged doubled 1",
    "main met_received besides 2",
    "main met_received doubled 1",
    "main notes missing 1",
  ]);
  const counted = await unproved(chain);
  assertNotEquals(counted, []);
  for (const { sql } of chain.databases) {
    await sql`select strata.accept_audit(d.dataset) from (
      select dataset from strata.audit_notes union select dataset from strata.audit_findings) as d`;
  }
  await auditAll(chain);
  assertEquals([await mismatches(chain), await unproved(chain)], [[], []]);
}

/** Row 8 of notes and row 6 of ready were lost before; what is another row under the same key stays on both tiers. */
function expectedRows(): string[] {
  const all = TABLES.flatMap((table) =>
    Array.from({ length: 20 }, (_, at) => `${table} ${at + 1}`)
  );
  const lost = ["notes 8", "ready 6"];
  return [...all.filter((one) => !lost.includes(one)), "met_received 2", "met_purged 2"].sort();
}

for (const driver of DIALLING) {
  Deno.test(`a chain of 0.0 in the middle of everything is upgraded, and goes on (${driver})`, async () => {
    await using chain = await releasedChain({ core: "0.0", main: "0.0", archive: "0.0" }, driver);
    await fill(chain);
    const before = await Promise.all(chain.databases.map(({ sql }) => kept(sql)));
    for (const database of chain.databases) await upgrade(database);
    const after = await Promise.all(chain.databases.map(({ sql }) => kept(sql)));
    assertEquals(after, before);
    for (const database of chain.databases) await isLikeFresh(database);

    await chain.core.sql`select strata.stop_drain()`;
    assertEquals(await takeConditions(chain), [
      "main notes length(body) = 7 and id = 12",
      "main odd length(body) = 6",
      "archive notes length(body) = 7 and id = 12",
      "archive odd length(body) = 6",
    ]);
    await settle(chain);
    assertEquals(await everyRow(chain), expectedRows());
    await auditIsTaken(chain);
  });
}

Deno.test("a database of 0.0 that nothing was done with becomes what a fresh one is", async () => {
  await using old = await releasedDatabase("0.0", "core");
  await using fresh = await releasedDatabase("today", "core");
  await upgrade(old);
  assertEquals(
    differences(
      await snapshot(old.sql, ["strata", "public"]),
      await snapshot(fresh.sql, ["strata", "public"]),
    ),
    [],
  );
});

Deno.test("what is wrong with a table on a colder tier stops no upgrade", async () => {
  await using chain = await releasedChain({ core: "0.0", main: "0.0" }, "push");
  const { core, main } = chain;
  const harm = {
    gone: "drop table public.gone",
    ageless: "alter table public.ageless drop column created_at",
    keyless: "alter table public.keyless drop column id",
    other: "alter table public.other alter column body type bytea using body::bytea",
  };
  for (const [table, statement] of Object.entries(harm)) {
    await core.sql`create table public.${core.sql(table)} (
      id bigint primary key, created_at timestamptz not null, body text)`;
    await core.sql`select strata.manage(${`public.${table}`}::regclass)`;
    await core.sql`insert into public.${
      core.sql(table)
    } values (1, now() - interval '60 days', 'one')`;
    const journey = await startJourney(chain, { dataset: table });
    await journey.until("prove");
    await journey.session.end();
    await main.sql.unsafe(statement);
  }
  await upgrade(main);
  await upgrade(core);
  await core.sql`call strata.move_due()`;
  const stand = await core
    .sql`select name from strata.datasets where trouble is not null order by 1`;
  assertEquals(stand.map(({ name }) => name), ["ageless", "gone", "keyless", "other"]);
  for (const table of Object.keys(harm)) {
    assertEquals((await core.sql`select from public.${core.sql(table)}`).length, 1);
  }
});
