/**
 * The only place in TypeScript that knows names of SQL: calls of the functions of schema `strata` and
 * reads of its tables. Whole numbers of Postgres (`bigint`) stay text, points in time are its text too.
 */
import type { Sql, TransactionSql } from "postgres";

/** A connection, or a transaction on one. */
export type Db = Sql | TransactionSql;

/**
 * How much a dataset's rows would move or be deleted, on the tier that was asked; nulls: nobody knows,
 * because the table cannot be read as its policy says.
 */
export interface PlanRow {
  tier: string;
  dataset: string;
  action: "move" | "delete" | "reclaim";
  to_tier: string | null;
  rows_now: string | null;
  bytes_now: string | null;
  rows_7d: string | null;
  bytes_7d: string | null;
  rows_30d: string | null;
  bytes_30d: string | null;
  held: string | null;
  set_aside: string | null;
  referenced: string | null;
  without_age: string | null;
  /** Of those to move now, rows that are past their deletion age as well. */
  past_deletion: string | null;
  /** Of those to move now, rows that will go on from main at once. */
  past_next: string | null;
  /** What keeps the oldest of the referenced rows. */
  referenced_by: string | null;
}

/** One sentence of a tier about one row. */
export interface Explanation {
  tier: string;
  topic: string;
  says: string;
}

/** One batch of one dataset on its way to the next tier, or deleted at the last. */
export interface Move {
  move_id: string;
  dataset: string;
  from_tier: string;
  to_tier: string | null;
  kind: "move" | "delete";
  state: string;
  rows_claimed: string;
  rows_moved: string | null;
  bytes: string | null;
  started_at: string;
  finished_at: string | null;
  attempts: number;
  last_error: string | null;
  last_sqlstate: string | null;
}

/** One thing a tier was checked for. */
export interface Check {
  topic: string;
  ok: boolean;
  says: string;
  remedy: string | null;
}

/** A row that could not be moved. */
export interface SetAside {
  dataset: string;
  key: string[];
  sqlstate: string;
  says: string;
  remedy: string;
  attempts: number;
  next_try_at: string | null;
}

/** A managed table, its policy and its trouble. */
export interface Dataset {
  name: string;
  core_retention_days: number | null;
  main_retention_days: number | null;
  delete_after_days: number | null;
  due_when: string | null;
  size_limit_kb: number | null;
  trouble: string | null;
  remedy: string | null;
}

/** Where and how the driving side of a link dials the other. */
export interface Address {
  host: string;
  port: number;
  database: string;
  user: string;
  /** Null: verify-full, or prefer on loopback. */
  sslmode: string | null;
  /** The CA's file on the dialling tier's server, or `system`; null: where libpq looks by itself. */
  ca: string | null;
  /** Why less than verify-full is allowed. */
  insecureBecause: string | null;
}

/** A row that did not fit while loading. */
export interface BadRow {
  place: number;
  code: string;
  says: string;
}

/** Which tier this database says it is; undefined where Strata is not installed. */
export async function tierOf(sql: Db): Promise<string | null | undefined> {
  const [found] = await sql<{ there: boolean }[]>`
    select to_regclass('strata.self') is not null as there`;
  if (found?.there !== true) return undefined;
  const [self] = await sql<{ tier: string }[]>`select tier from strata.self`;
  return self?.tier ?? null;
}

/** Has PostgREST read the catalogue anew, where no event trigger of the platform's does that. */
export async function reloadRest(sql: Db): Promise<void> {
  await sql`notify pgrst, 'reload schema'`;
}

/** Tells a database which tier it is; says what it did about its jobs. */
export async function become(sql: Db, tier: string, isLast: boolean): Promise<string> {
  const [row] = await sql<{ says: string }[]>`
    select strata.become(p_tier => ${tier}, p_is_last => ${isLast}) as says`;
  return row?.says ?? "";
}

/** Tells a database the numbers of a tier, its own or a neighbour's. */
export async function setTier(
  sql: Db,
  tier: { key: string; capacityMb: number; warnMb: number; criticalMb: number; poolSize: number },
): Promise<void> {
  await sql`select strata.set_tier(
    p_tier => ${tier.key}, p_capacity_mb => ${tier.capacityMb}, p_warn_mb => ${tier.warnMb},
    p_critical_mb => ${tier.criticalMb}, p_pool_size => ${tier.poolSize})`;
}

/** Declares a neighbour; the side that dials it gives the address. */
export async function joinTier(
  sql: Db,
  tier: string,
  driver: string,
  address: Address | undefined,
): Promise<string> {
  const [row] = address === undefined
    ? await sql<{ says: string }[]>`
      select strata.join_tier(p_tier => ${tier}, p_driver => ${driver}) as says`
    : await sql<{ says: string }[]>`
      select strata.join_tier(
        p_tier => ${tier}, p_driver => ${driver}, p_host => ${address.host},
        p_port => ${address.port}, p_database => ${address.database}, p_user => ${address.user},
        p_sslmode => ${address.sslmode}, p_ca => ${address.ca},
        p_insecure_because => ${address.insecureBecause}) as says`;
  return row?.says ?? "";
}

/** Forgets every neighbour that is not among those named. */
export async function leaveOthers(sql: Db, neighbours: readonly string[]): Promise<void> {
  await sql`select strata.leave_tier(p_tier => l.neighbour) from strata.links as l
    where l.neighbour <> all (${neighbours}::text[])`;
}

/** Whether a table is there. */
export async function hasTable(sql: Db, table: string): Promise<boolean> {
  const [row] = await sql<{ there: boolean }[]>`
    select to_regclass(${table}) is not null as there`;
  return row?.there === true;
}

/** What is due on this tier, now and soon. */
export async function plan(sql: Db, dataset: string | null): Promise<PlanRow[]> {
  return await sql<PlanRow[]>`select * from strata.plan(p_dataset => ${dataset})`;
}

/** Where a row is, why, and what happens to it next, as far as this tier knows. */
export async function explain(sql: Db, dataset: string, key: string[]): Promise<Explanation[]> {
  return await sql<Explanation[]>`
      select * from strata.explain(p_dataset => ${dataset}, variadic p_key => ${key}::text[])`;
}

/** Has links and datasets that failed tried again with the next run; rows set aside keep their pause. */
export async function endPauses(sql: Sql, dataset: string | null): Promise<void> {
  // A database that is read-only because it is full can still give rows away.
  await sql.begin("read write", (sql) => sql`select strata.end_pauses(p_dataset => ${dataset})`);
}

/** Moves what is due over the links this tier drives, for as long as the budget lasts. */
export async function moveDue(sql: Sql, budget: string, dataset: string | null): Promise<void> {
  await sql`call strata.move_due(p_budget => ${budget}::interval, p_dataset => ${dataset})`;
}

/** Moves, deletes and cleans up, for as long as the budget lasts. */
export async function process(sql: Sql, budget: string): Promise<void> {
  await sql`call strata.process(p_budget => ${budget}::interval)`;
}

/** How far the round of a drain is. */
export interface DrainProgress {
  state: "moving" | "reclaiming";
  round: number;
  need_bytes: string;
  freed_bytes: string;
  waits_for: string | null;
}

/** What a tier says about itself; more than is named here. */
export interface Status {
  /** The release of Strata that the tier has. */
  version?: string;
  /** The drain that is open; null: none is. */
  drain: DrainProgress | null;
  /** Jobs that do not run until somebody says so. */
  paused_jobs: string[];
  links: { neighbour: string; sslmode: string | null; insecure_because: string | null }[];
}

/** What a tier says about itself. */
export async function status(sql: Db): Promise<Status> {
  const [row] = await sql<{ status: Status }[]>`select strata.status() as status`;
  if (row === undefined) throw new Error("a select without from returned no row");
  return row.status;
}

/** A tier's own checks, and over the links it drives its neighbour's. */
export async function validate(sql: Db): Promise<Check[]> {
  return await sql<Check[]>`select * from strata.validate()`;
}

/** Every row of a dataset on this tier: its key, and the fingerprint of its content. */
export async function inventory(sql: Db, dataset: string): Promise<Map<string, string>> {
  const rows = await sql<{ key: string; fingerprint: string }[]>`
    select i.key::text as key, i.fingerprint::text as fingerprint from strata.inventory(p_dataset => ${dataset}) as i`;
  return new Map(rows.map((row) => [row.key, row.fingerprint]));
}

/** The tables this tier manages, by name. */
export async function datasets(sql: Db): Promise<Dataset[]> {
  return await sql<Dataset[]>`
      select name, core_retention_days, main_retention_days, delete_after_days, due_when,
             size_limit_kb, trouble, remedy
        from strata.datasets order by name`;
}

/** The tier's clock, as text to compare `started_at` with. */
export async function clock(sql: Db): Promise<string> {
  const [row] = await sql<{ now: string }[]>`select strata.clock()::text as now`;
  return row?.now ?? "";
}

/** Moves that began since then or are open, the latest first. */
export async function moves(
  sql: Db,
  options: { since?: string; limit?: number } = {},
): Promise<Move[]> {
  return await sql<Move[]>`
      select move_id::text, dataset, from_tier, to_tier, kind, state, rows_claimed::text,
             rows_moved::text, bytes::text, started_at::text, finished_at::text, attempts,
             last_error, last_sqlstate
        from strata.moves
       where started_at >= ${options.since ?? "-infinity"}::timestamptz or finished_at is null
       order by started_at desc
       limit ${options.limit ?? null}`;
}

/** Rows that could not be moved, the latest first. */
export async function setAside(sql: Db, limit: number): Promise<SetAside[]> {
  return await sql<SetAside[]>`
      select dataset, key, code as sqlstate, says, remedy, attempts, next_try_at::text
        from strata.set_aside order by last_at desc limit ${limit}`;
}

/** Why a link or a dataset stands still. */
export interface Trouble {
  about: string;
  sqlstate: string;
  says: string;
  remedy: string;
  next_try_at: string | null;
}

/** Everything that stands still on this tier, and until when. */
export async function troubles(sql: Db): Promise<Trouble[]> {
  return await sql<Trouble[]>`
      select 'the link with ' || neighbour as about, trouble_sqlstate as sqlstate,
             trouble as says, strata.remedy(trouble_sqlstate) as remedy, next_try_at::text
        from strata.links where trouble is not null
      union all
      select 'dataset ' || name, trouble_sqlstate, trouble, remedy, next_try_at::text
        from strata.datasets where trouble is not null`;
}

/** Inserts a batch of JSON documents; returns those that do not fit, the others are in. */
export async function loadRows(
  sql: Db,
  dataset: string,
  documents: string[],
  jsonAsText: boolean,
): Promise<BadRow[]> {
  return await sql<BadRow[]>`
      select * from strata.load_rows(
        p_dataset => ${dataset}, p_documents => ${documents}::text[],
        p_json_as_text => ${jsonAsText})`;
}

/** Everything a colder tier must know of a dataset, as JSON text. */
export async function describe(sql: Db, dataset: string): Promise<string> {
  const [row] = await sql<{ description: string }[]>`
    select strata.describe(p_dataset => ${dataset})::text as description`;
  return row?.description ?? "{}";
}

/** Takes a description over from the hotter tier: makes or completes the twin. */
export async function accept(sql: Db, description: string, from: string): Promise<void> {
  await sql`select strata.accept(p_description => ${description}::text::jsonb, p_from => ${from})`;
}

/** Says that a table of this tier may become a twin, though it has rows already. */
export async function allowTwin(sql: Db, table: string): Promise<void> {
  await sql`select strata.allow_twin(p_relation => ${table}::text::regclass)`;
}

/** Takes conditions that a hotter tier sent as SQL, so that they count here. */
export async function takeConditions(
  sql: Db,
  dataset: string,
  conditions: string[],
): Promise<void> {
  await sql`
    select strata.take_conditions(p_dataset => ${dataset}, p_conditions => ${conditions}::text[])`;
}

/** Conditions of a hotter tier that only the owner of this one may have run here. */
export async function waitingConditions(sql: Db) {
  return await sql<{ dataset: string; condition: string }[]>`
    select dataset, condition from strata.waiting_conditions()`;
}

/** The neighbours of this tier and who dials whom. */
export async function links(sql: Db): Promise<{ neighbour: string; driver: string }[]> {
  return await sql<{ neighbour: string; driver: string }[]>`
    select neighbour, driver from strata.links`;
}

/** What only the other end of a connection can tell about it and its server. */
export interface Facts {
  /** The version of TLS; null: not encrypted. */
  tls: string | null;
  /** Seconds since 1970 by the server's clock, to the microsecond. */
  clock: number;
}

/** Asks a tier about the connection it is asked over. */
export async function facts(sql: Db): Promise<Facts> {
  const [row] = await sql<Facts[]>`
    select (select s.version from pg_stat_ssl as s where s.pid = pg_backend_pid()) as tls,
           extract(epoch from clock_timestamp())::double precision as clock`;
  if (row === undefined) throw new Error("a select without from returned no row");
  return row;
}

/** Wakes the job that goes on with what is due, every minute until nothing is left. */
export async function keepGoing(sql: Db): Promise<void> {
  await sql`select strata.keep_going(p_on => true)`;
}

/** What pg_cron itself has run of our jobs since a point in time. */
export interface CronRun {
  job: string;
  status: string;
  runs: string;
}

/** Runs of pg_cron on this tier, by job and outcome; none where there is no pg_cron. */
export async function cronRuns(sql: Db, since: string): Promise<CronRun[]> {
  const [cron] = await sql<{ there: boolean }[]>`
    select to_regclass('cron.job_run_details') is not null as there`;
  if (cron?.there !== true) return [];
  return await sql<CronRun[]>`
      select coalesce(j.jobname, r.command) as job, r.status, count(*) as runs
        from cron.job_run_details as r
        left join cron.job as j on j.jobid = r.jobid
       where r.start_time >= ${since}::timestamptz
       group by 1, 2 order by 1, 2`;
}
