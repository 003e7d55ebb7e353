import assert from "node:assert/strict";
import type { Sql } from "postgres";
import type { Tier } from "../../local/settings.ts";
import { type Driver, type TestChain, testChain } from "./chain.ts";
import type { TestDatabase } from "./database.ts";
import { relayOnce, relaySlice, relayStepper } from "./relay.ts";
import { waitFor } from "./wait_for.ts";

/** A chain that knows who drives its links. */
export interface MoveChain extends TestChain {
  driver: Driver;
}

/** Drivers that dial from one database to the other: for tests of what only these do. */
export const DIALLING: readonly Driver[] = ["push", "pull"];

/** One test of the move protocol, run once with each driver, each with its own databases. */
export function moveTest(
  name: string,
  test: (chain: MoveChain) => Promise<void>,
  { tiers = ["core", "main"], drivers = ["push", "pull", "relay"] }: {
    tiers?: readonly Tier[];
    drivers?: readonly Driver[];
  } = {},
): void {
  for (const driver of drivers) {
    Deno.test(`${name} (${driver})`, async () => {
      await using chain = await testChain({ driver, tiers });
      await test(Object.assign(chain, { driver }));
    });
  }
}

/**
 * The drivers that one cell of a table of tests is run with: each cell with another one, and all of them with
 * STRATA_TEST_EVERYTHING=1, which takes minutes more.
 */
export function driversOf(
  cell: number,
  drivers: readonly Driver[] = ["push", "pull", "relay"],
): readonly Driver[] {
  const isEverything = Deno.env.get("STRATA_TEST_EVERYTHING") === "1";
  return isEverything ? drivers : drivers.filter((_, nth) => nth === cell % drivers.length);
}

/** `moveTest` for what needs a Postgres connection between the tiers. */
export function dialledTest(
  name: string,
  test: (chain: MoveChain) => Promise<void>,
  options: { tiers?: readonly Tier[] } = {},
): void {
  moveTest(name, test, { ...options, drivers: DIALLING });
}

/** The chain's tiers, for tests that need all three. */
export const THREE_TIERS: readonly Tier[] = ["core", "main", "archive"];

/** A table `public.notes` on core, managed, with rows 1 to `count` that are due on main. */
export async function makeNotes({ sql }: TestDatabase, count = 3): Promise<void> {
  await sql`create table public.notes (
    id bigint primary key, created_at timestamptz not null default now(), body text)`;
  await sql`select strata.manage('public.notes')`;
  await addNotes(sql, 1, count);
}

/** More notes that are due on main, as long as main may keep them. */
export async function addNotes(sql: Sql, first: number, last: number): Promise<void> {
  await sql`
    insert into public.notes (id, created_at, body)
    select id, now() - interval '60 days' + id * interval '1 second', 'note ' || id
      from generate_series(${first}::bigint, ${last}::bigint) as id`;
}

/** The tier that starts the steps of the link from a tier to its colder neighbour, and the other. */
export function endsOfLink(chain: MoveChain, from: Tier = "core") {
  const at = chain.databases.findIndex(({ tier }) => tier === from);
  const [source, destination] = chain.databases.slice(at);
  if (source === undefined || destination === undefined) throw new Error(`no link from ${from}`);
  const [driving, driven] = chain.driver === "pull" ? [destination, source] : [source, destination];
  return { source, destination, driving, driven };
}

/** A driver that takes one step of a dataset's journey at a time. */
export interface Stepper {
  /** The session that takes the steps. */
  session: Sql;
  pid: number;
  /** The step that comes next, or why there is none. */
  next: string;
  /** Takes one step. */
  step(): Promise<void>;
  /** Takes steps until this one comes next. */
  until(step: string): Promise<void>;
}

/** Where a journey goes, and whether it becomes a flow at once, as a run does after its first batch. */
export interface JourneyOptions {
  from?: Tier;
  dataset?: string;
  flows?: boolean;
}

/** Starts a journey over a link, in a session of its own. */
export async function startJourney(
  chain: MoveChain,
  { from = "core", dataset = "notes", flows = false }: JourneyOptions = {},
): Promise<Stepper> {
  const { source, destination, driving, driven } = endsOfLink(chain, from);
  if (chain.driver === "relay") return await relayStepper(source, destination, dataset);
  const session = driving.connect({ max: 1, idle_timeout: 0, max_lifetime: null });
  const [first] = await session<{ pid: number; journey: string }[]>`
    select pg_backend_pid() as pid, strata.journey_of(
      ${dataset}, p_flows_until => 'infinity', p_went_well => ${flows})::text as journey`;
  if (first === undefined) throw new Error("no journey");
  let journey = first.journey;
  const stepper: Stepper = {
    session,
    pid: first.pid,
    next: "claim",
    async step() {
      const [row] = await session<{ journey: string; step: string }[]>`
        select j::text as journey, j.step
          from strata.advance(${driven.tier}, ${journey}::strata.journey) as j`;
      if (row === undefined) throw new Error("the step gave no answer");
      journey = row.journey;
      stepper.next = row.step;
    },
    async until(step) {
      for (let taken = 0; stepper.next !== step; taken++) {
        assert.ok(taken < 12, `${step} never came; ${stepper.next} comes next`);
        await stepper.step();
      }
    },
  };
  return stepper;
}

/** One run of `strata.move_due()` on every tier, hottest first. */
export async function runOnce(chain: MoveChain): Promise<void> {
  if (chain.driver === "relay") return await relayOnce(chain.databases);
  for (const { sql } of chain.databases) await sql`call strata.move_due()`;
}

/** What a run is told. */
export interface RunOptions {
  dataset?: string;
  /** The run has no time left when it begins: it stops after one batch. */
  outOfTime?: boolean;
}

/** One run over the link from core, in a session that has just begun. */
export async function runLink(chain: MoveChain, options: RunOptions = {}): Promise<void> {
  const { source, destination, driving } = endsOfLink(chain);
  const { dataset = null, outOfTime = false } = options;
  if (chain.driver === "relay") {
    await relaySlice(source, destination, {
      ...(dataset === null ? {} : { dataset }),
      ...(outOfTime ? { sliceMs: 0 } : {}),
    });
    return;
  }
  await driving.connect({ max: 1 })`
    call strata.move_due(p_budget => ${outOfTime ? "0 seconds" : "50 seconds"}::interval,
                         p_dataset => ${dataset})`;
}

/** One run over each link at the same time, each in a session that knows today's settings. */
export async function runAllAtOnce(chain: MoveChain): Promise<void> {
  if (chain.driver === "relay") {
    const links = chain.databases.slice(1).map((_, at) => chain.databases.slice(at, at + 2));
    await Promise.all(links.map(relayOnce));
    return;
  }
  await Promise.all(
    chain.databases.map(({ connect }) => connect({ max: 1 })`call strata.move_due()`),
  );
}

/** The same one after the other, hottest first. */
export async function runInNewSessions(chain: MoveChain): Promise<void> {
  if (chain.driver === "relay") return await relayOnce(chain.databases);
  for (const { connect } of chain.databases) {
    const session = connect({ max: 1 });
    await session`call strata.move_due()`;
    await session.end();
  }
}

/** Runs every tier until nothing is due any more and no move is open; fails on the first trouble. */
export async function settle(chain: MoveChain): Promise<void> {
  await waitFor("all rows to settle", async () => {
    await runOnce(chain);
    for (const { sql } of chain.databases) {
      const [trouble] = await sql`
        select trouble from strata.datasets where trouble is not null
        union all select trouble from strata.links where trouble is not null`;
      assert.equal(trouble?.trouble, undefined);
    }
    const quiet = await Promise.all(chain.databases.map(({ sql }) => isQuiet(sql)));
    return quiet.every(Boolean);
  }, { timeoutMs: 120_000, everyMs: 0 });
}

/** Whether a tier has nothing open and nothing due that nothing keeps. */
export async function isQuiet(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ quiet: boolean }[]>`
    select not exists (select from strata.moves where state <> 'closed')
       and not exists (select from strata.arrivals where closed_at is null)
       and not exists (select from strata.datasets as d
                        cross join lateral strata.plan_dataset(d) as p -- plan() also weighs what could be given back
                        where to_regclass(strata.relation(d)) is not null
                          and p.action = 'move' and p.rows_now > 0) as quiet`;
  return row?.quiet ?? false;
}

/** Ends every pause after a failure, as the passing of time would. */
export async function endPauses(chain: MoveChain): Promise<void> {
  for (const { sql } of chain.databases) {
    await sql`update strata.datasets set next_try_at = null where next_try_at is not null`;
    await sql`update strata.links set next_try_at = null where next_try_at is not null`;
    await sql`update strata.set_aside set next_try_at = '-infinity'`;
  }
}

/** Every row of a table on one tier, as text; columns without a value are left out. */
export async function rowsOf({ sql }: TestDatabase, table = "public.notes"): Promise<string[]> {
  const [there] = await sql<{ there: boolean }[]>`
    select to_regclass(${table}) is not null as there`;
  if (!there?.there) return [];
  const rows = await sql<{ row: string }[]>`
    select jsonb_strip_nulls(to_jsonb(t))::text as row from ${sql(table)} as t order by row`;
  return rows.map(({ row }) => row);
}

/** Every row of a table on every tier. A row that is in two tiers is there twice. */
export async function rowsOfChain(chain: MoveChain, table = "public.notes"): Promise<string[]> {
  const tiers = await Promise.all(chain.databases.map((one) => rowsOf(one, table)));
  return tiers.flat().sort();
}

/** The ids of the notes on one tier. */
export async function idsOf({ sql }: TestDatabase, table = "public.notes"): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select id::integer as id from ${sql(table)} order by id`;
  return rows.map(({ id }) => id);
}

/** Where every row of a dataset is: its tiers and fingerprints by key. */
export async function whereabouts(chain: MoveChain, dataset: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { sql, tier } of chain.databases) {
    const rows = await sql<{ key: string; fingerprint: string }[]>`
      select i.key::text as key, i.fingerprint
        from strata.datasets as d, strata.inventory(d.name) as i where d.name = ${dataset}`;
    for (const { key, fingerprint } of rows) {
      const before = found.get(key);
      found.set(key, `${before === undefined ? "" : `${before}, `}${tier} ${fingerprint}`);
    }
  }
  return found;
}

/** Why a dataset stands still, as its hotter tier says it. */
export async function troubleOf(
  { sql }: TestDatabase,
  dataset = "notes",
): Promise<{ code: string; says: string; remedy: string } | undefined> {
  const [row] = await sql<{ code: string; says: string; remedy: string }[]>`
    select trouble_sqlstate as code, trouble as says, remedy
      from strata.datasets where name = ${dataset} and trouble is not null`;
  return row === undefined ? undefined : { ...row };
}

/** The rows of a tier that are set aside, by their key. */
export async function setAsideOn({ sql }: TestDatabase) {
  const rows = await sql<{ key: string; code: string; says: string; remedy: string }[]>`
    select array_to_string(key, ', ') as key, code, says, remedy from strata.set_aside order by key`;
  return rows.map((row) => ({ ...row }));
}

/** Says that nothing is under way, set aside or in trouble on any tier. */
export async function assertAtPeace(chain: MoveChain): Promise<void> {
  for (const { sql, tier } of chain.databases) {
    const [row] = await sql`
      select (select count(*)::integer from strata.moves where state <> 'closed') as open_moves,
             (select count(*)::integer from strata.manifests) as manifests,
             (select count(*)::integer from strata.arrivals where closed_at is null) as open_arrivals,
             (select count(*)::integer from strata.set_aside) as set_aside,
             (select string_agg(trouble, '; ') from strata.datasets) as troubles`;
    const peace = { open_moves: 0, manifests: 0, open_arrivals: 0, set_aside: 0, troubles: null };
    assert.deepEqual({ tier, ...row }, { tier, ...peace });
  }
}

/** Waits until some session waits for a lock on a relation. */
export async function waitForLock(sql: Sql, relation: string): Promise<void> {
  await waitFor(`somebody to wait for ${relation}`, async () => {
    const rows = await sql`
      select from pg_locks as l join pg_class as c on c.oid = l.relation
       where c.relname = ${relation} and not l.granted
         and l.database = (select oid from pg_database where datname = current_database())`;
    return rows.length > 0;
  }, { everyMs: 5 });
}
