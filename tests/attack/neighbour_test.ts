/** Ways around the checks that a first reading missed. */
import assert from "node:assert/strict";
import { idsOf, makeNotes, moveTest, settle } from "../support/moves.ts";
import { asNeighbour } from "./support.ts";

const PULL = { drivers: ["pull"] } as const;
const PUSH = { drivers: ["push"] } as const;
const codeOf = (error: { code?: string }) => error.code;

moveTest("an old snapshot does not hide a hold from a claim", async (chain) => {
  const { core } = chain;
  await makeNotes(core, 0);
  await settle(chain);
  await core
    .sql`insert into public.notes select n, now() - interval '60 days' from generate_series(1, 3) as n`;
  await asNeighbour(core, "main", async (sql) => {
    await sql`set session characteristics as transaction isolation level repeatable read`;
    assert.equal(await sql`select strata.claim('notes', 'main')`.catch(codeOf), "ST009");
  });
  assert.equal((await idsOf(core)).length, 3);
}, PULL);

moveTest(
  "no hash of main's own rows is to be had, nor of some columns of what settled",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 2);
    await settle(chain);
    await main
      .sql`create table public.diary (id bigint primary key, created_at timestamptz not null default now(), pin text)`;
    await main.sql`insert into public.diary values (1, now(), '1234')`;
    await main.sql`select strata.manage('public.diary')`;
    await core.sql`insert into public.notes values (9, now() - interval '60 days', 'x')`;
    const [batch] = await core.sql<{ id: string; columns: string[]; lines: string }[]>`
    select move_id as id, columns, lines from strata.claim('notes', 'main')`;
    assert.ok(batch);
    await asNeighbour(main, "core", async (sql) => {
      await sql`select strata.receive(${batch.id}, 'notes', 'core', ${batch.columns}, ${batch.lines})`;
      for (
        const call of [
          `prove('${batch.id}', 'diary', '{pin}', '{{1}}')`,
          "take_stock('diary', '2026-01', '{pin}')",
          "keys_here('diary', '{{1}}')",
          "look_for('diary', '{{1}}', now())",
          "stock_months('diary')",
        ]
      ) assert.equal(await sql.unsafe(`select strata.${call}`).catch(codeOf), "ST029", call);
      const [part] =
        await sql`select strata.prove(${batch.id}, 'notes', '{body}', '{{1,2}}')::text as proofs`;
      assert.equal(part?.proofs, "{NULL,NULL}");
      const whole = await sql`select strata.receive(gen_random_uuid(), 'notes', null, '{id}', '')`
        .catch(codeOf);
      assert.equal(whole, "ST009", "who asks is said by the login, not left out");
    });
  },
  PUSH,
);

moveTest("neither a partitioned table nor a dataset of main's own is taken over", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core, 1);
  await settle(chain);
  await main.sql.unsafe(`
    create table public.events (id bigint, created_at timestamptz not null, body text, primary key (id, created_at)) partition by range (created_at);
    create table public.events_all partition of public.events default;
    insert into public.events values (1, '2000-01-01', 'mine');
    create table public.own (id bigint primary key, created_at timestamptz not null, body text)`);
  await main.sql`select strata.manage('public.own', p_delete_after_days => null)`;
  const [row] = await core.sql`select strata.describe('notes') as described`;
  await asNeighbour(main, "core", async (sql) => {
    for (const name of ["events", "own"]) {
      const forged = {
        ...row?.described,
        name,
        table: name,
        delete_after_days: 0,
        core_retention_days: 0,
        main_retention_days: 0,
      };
      const answer = await sql`select strata.accept(${JSON.stringify(forged)}::text::jsonb, 'core')`
        .catch(codeOf);
      assert.equal(answer, "ST029", name);
    }
  });
  const [own] = await main.sql`select delete_after_days from strata.datasets where name = 'own'`;
  assert.equal(own?.delete_after_days, null);
}, PUSH);

moveTest(
  "a neighbour's heartbeat neither stops alerts nor rewrites those of this tier",
  async (chain) => {
    const { core } = chain;
    await makeNotes(core, 1);
    await settle(chain);
    await core
      .sql`select strata.raise_alert('audit_mismatch', 'core', 'notes', 'critical', 'rows are gone', 'look')`;
    await asNeighbour(core, "main", async (sql) => {
      const say = (says: unknown) =>
        sql`select strata.exchange_heartbeats('main', ${JSON.stringify(says)}::text::jsonb)`;
      const alert = {
        kind: "audit_mismatch",
        tier: "core",
        subject: "notes",
        severity: "info",
        says: "all is well",
        remedy: "run this",
      };
      await say({
        tier: "main",
        clock: "y",
        overdue: "x",
        stopped: { a: 1 },
        watched_at: 7,
        kept_alive_at: "never",
        drains: "maybe",
        alerts: [alert],
      });
    });
    await core.sql.unsafe("call strata.watchdog()");
    await core.sql`select strata.check_alerts()`;
    const [open] = await core
      .sql`select severity, says from strata.alerts where kind = 'audit_mismatch' and cleared_at is null`;
    assert.deepEqual({ ...open }, { severity: "critical", says: "rows are gone" });
    assert.ok((await core.sql`select strata.health()`).length === 1);
  },
  PULL,
);

moveTest("heartbeats within an hour have a size together", async ({ core }) => {
  await core.sql`update strata.settings set value = 4000 where name = 'heard_hourly'`;
  await asNeighbour(core, "main", async (sql) => {
    const codes: unknown[] = [];
    for (let n = 0; n < 4; n++) {
      const says = JSON.stringify({
        tier: "main",
        level: "x".repeat(n),
        padding: Array.from({ length: 300 }, (_, i) => i * 7919 + n),
      });
      codes.push(
        await sql`select strata.exchange_heartbeats('main', ${says}::text::jsonb)`.then(
          () => "taken",
          codeOf,
        ),
      );
    }
    assert.ok(codes.includes("ST065"), codes.join());
  });
}, PULL);
