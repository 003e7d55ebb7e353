/**
 * What Strata takes for granted of a hosted project and only the platform can show. Each question reads
 * the catalogue, in a transaction that may not write. docs/design/platform.md says what each is for.
 */
import type { Sql } from "postgres";
import { isLoopback } from "../../supabase/functions/_strata/outbound/safe_address.ts";
import type { Tier } from "../config/load.ts";
import { asFailure } from "../lib/errors.ts";
import { asked, databaseTries, inSteps } from "./reach.ts";

/** One assumption and whether it holds; ok is null where this login may not see it. */
export interface Assumption {
  topic: string;
  ok: boolean | null;
  says: string;
}

type Question = readonly [topic: string, condition: string, says: string];

/** Whether a function of these names of arguments is there and may be called. */
function offers(schema: string, name: string, args: string): string {
  return `exists (select from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname = '${schema}' and p.proname = '${name}' and p.proargnames @> '{${args}}'
      and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute'))`;
}

const setting = (name: string, column = "setting") =>
  `(select s.${column} from pg_settings as s where s.name = '${name}')`;

const version = (extension: string) =>
  `coalesce((select format('%s %s', e.extname, e.extversion) from pg_extension as e
              where e.extname = '${extension}'), '${extension} is not an extension here')`;

const login = (column: string) =>
  `(select r.${column} from pg_roles as r where r.rolname = current_user)`;

const database = (expression: string) =>
  `(select ${expression} from pg_database as d where d.datname = current_database())`;

const API = "r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')";

const SERVER: Question[] = [
  [
    "version",
    "current_setting('server_version_num')::int between 150000 and 189999",
    setting("server_version"),
  ],
  ["encoding", `${setting("server_encoding")} = 'UTF8'`, setting("server_encoding")],
  [
    "durability",
    `${setting("fsync")} = 'on' and ${setting("full_page_writes")} = 'on'`,
    `format('fsync %s, full_page_writes %s', ${setting("fsync")}, ${setting("full_page_writes")})`,
  ],
  [
    "passwords",
    `${setting("password_encryption")} = 'scram-sha-256'`,
    setting("password_encryption"),
  ],
  ["connections", `${setting("max_connections")}::int >= 60`, setting("max_connections")],
  [
    "time for a statement",
    `${setting("statement_timeout")}::int = 0 or ${setting("statement_timeout")}::int >= 60000`,
    "current_setting('statement_timeout')",
  ],
  [
    "silent neighbours",
    "version() like '%linux%'",
    "substring(version() from 'on (\\S+)')",
  ],
  ["time zone", "current_setting('TimeZone') = 'UTC'", "current_setting('TimeZone')"],
  [
    "primary",
    "not pg_is_in_recovery()",
    "case when pg_is_in_recovery() then 'a standby' else 'takes writes' end",
  ],
  [
    "writable",
    `${setting("default_transaction_read_only", "reset_val")} = 'off'`,
    `'default_transaction_read_only is ' || ${
      setting("default_transaction_read_only", "reset_val")
    }`,
  ],
  [
    "read-only can be lifted",
    `${setting("default_transaction_read_only", "context")} = 'user'
       and ${database("pg_has_role(d.datdba, 'usage')")}`,
    `'a session may set it, and the database belongs to ' || ${
      database("pg_get_userbyid(d.datdba)")
    }`,
  ],
];

const RIGHTS: Question[] = [
  ["no superuser", `not ${login("rolsuper")}`, "current_user"],
  ["may make roles", login("rolcreaterole"), "current_user"],
  ["passes by RLS", login("rolbypassrls"), "current_user"],
  [
    "may make schemas",
    "has_database_privilege(current_database(), 'create')",
    "current_database()",
  ],
  [
    "schema public",
    "has_schema_privilege('public', 'create')",
    `(select 'belongs to ' || pg_get_userbyid(n.nspowner) from pg_namespace as n
       where n.nspname = 'public')`,
  ],
  ["sees statistics", "pg_has_role('pg_read_all_stats', 'usage')", "'pg_read_all_stats'"],
  ["ends sessions", "pg_has_role('pg_signal_backend', 'usage')", "'pg_signal_backend'"],
  [
    "roles of the API",
    `(select count(*) = 4 from pg_roles as r where ${API})`,
    `coalesce((select string_agg(r.rolname, ', ' order by r.rolname) from pg_roles as r
                where ${API}), 'none')`,
  ],
  [
    "service_role passes by RLS",
    "(select r.rolbypassrls from pg_roles as r where r.rolname = 'service_role')",
    "'as functions come in'",
  ],
  [
    "sizes of all databases",
    `pg_has_role('pg_read_all_stats', 'usage')
       or (select bool_and(has_database_privilege(d.oid, 'connect')) from pg_database as d)`,
    "format('%s databases', (select count(*) from pg_database))",
  ],
];

/** Created where it is called, or to be had. */
const extension = (name: string): Question => [
  name,
  `coalesce(
     (select n.nspname = 'extensions' from pg_extension as e
        join pg_namespace as n on n.oid = e.extnamespace where e.extname = '${name}'),
     exists (select from pg_available_extensions as e where e.name = '${name}'))`,
  version(name),
];

const PARTS: Question[] = [
  [
    "schema extensions",
    `coalesce(has_schema_privilege(to_regnamespace('extensions'), 'usage'), false)`,
    "'called by name'",
  ],
  extension("dblink"),
  extension("postgres_fdw"),
  [
    "servers may be made",
    `(select has_foreign_data_wrapper_privilege(w.oid, 'usage') from pg_foreign_data_wrapper as w
       where w.fdwname = 'postgres_fdw')`,
    `coalesce((select 'the wrapper belongs to ' || pg_get_userbyid(w.fdwowner)
                 from pg_foreign_data_wrapper as w where w.fdwname = 'postgres_fdw'),
              'postgres_fdw is not created yet')`,
  ],
  [
    "pg_cron",
    `${offers("cron", "schedule", "job_name,schedule,command")}
       and ${offers("cron", "alter_job", "job_id,active")}`,
    version("pg_cron"),
  ],
  [
    "clock of pg_cron",
    `coalesce(${setting("cron.timezone")}, 'GMT') in ('GMT', 'UTC')`, // before 1.5 it knew no other
    `coalesce(${setting("cron.timezone")}, 'GMT')`,
  ],
  [
    "history of jobs",
    `coalesce(${
      setting("cron.log_run")
    } <> 'off', true) and has_table_privilege(to_regclass('cron.job'), 'select')
       and has_table_privilege(to_regclass('cron.job_run_details'), 'select')
       and has_table_privilege(to_regclass('cron.job_run_details'), 'delete')`,
    "'is kept, may be read and tidied'",
  ],
  [
    "jobs at once",
    `${setting("cron.max_running_jobs")}::int >= 5`,
    `format('%s, background workers %s', ${setting("cron.max_running_jobs")}, ${
      setting("cron.use_background_workers")
    })`,
  ],
  [
    "pg_net",
    offers("net", "http_post", "url,body,headers,timeout_milliseconds"),
    version("pg_net"),
  ],
  [
    "worker of pg_net",
    `case when pg_has_role('pg_read_all_stats', 'usage') then exists (
       select from pg_stat_activity as a
        where a.backend_type like 'pg\\_net%' or a.application_name like 'pg\\_net%') end`,
    "'a process of the server'",
  ],
  [
    "Vault",
    `${offers("vault", "create_secret", "new_secret,new_name")}
       and ${offers("vault", "update_secret", "secret_id,new_secret")}
       and has_table_privilege(to_regclass('vault.decrypted_secrets'), 'select')`,
    version("supabase_vault"),
  ],
  [
    "secrets can be forgotten",
    "has_table_privilege(to_regclass('vault.secrets'), 'delete')",
    "'vault.secrets'",
  ],
];

/** Asks a project about everything that is taken for granted of it, and changes nothing. */
export async function assumptions(tier: Tier): Promise<Assumption[]> {
  const way = await inSteps(databaseTries(tier));
  const steps = way.map(({ step, ok, says }) => ({ topic: step, ok, says }));
  if (way.some(({ ok }) => ok === false)) return steps;
  const answers = await asked(tier, async (sql) => {
    const found = [];
    for (const question of [...SERVER, ...RIGHTS, ...PARTS]) {
      found.push(await answer(sql, question));
    }
    return [...found, await oneServerProcess(sql, tier), await encryption(sql, tier)];
  });
  return [...steps, ...answers];
}

/** A question that cannot be asked there is an assumption that does not hold. */
async function answer(sql: Sql, [topic, condition, says]: Question): Promise<Assumption> {
  try {
    const [row] = await sql.begin(
      "read only",
      (transaction) =>
        transaction.unsafe<{ ok: boolean | null; says: string | null }[]>(
          `select (${condition}) as ok, (${says})::text as says`,
        ),
    );
    return { topic, ok: row?.ok ?? null, says: row?.says ?? "this login may not see it" };
  } catch (error) {
    return { topic, ok: false, says: asFailure(error).message };
  }
}

/** Links keep settings and questions under way in their session: no pooler may change it in between. */
async function oneServerProcess(sql: Sql, { dbUrl }: Tier): Promise<Assumption> {
  const { hostname, port } = new URL(dbUrl);
  const pooled = /\.pooler\./.test(hostname);
  const line = await sql.reserve();
  try {
    const pids = new Set<number>();
    for (let times = 0; times < 3; times++) {
      const [row] = await line<{ pid: number }[]>`select pg_backend_pid() as pid`;
      pids.add(row?.pid ?? 0);
    }
    const says = pooled
      ? `a pooler at port ${port === "" ? 5432 : port}`
      : "dialled without a pooler";
    return { topic: "one session", ok: pids.size === 1 && port !== "6543", says };
  } finally {
    line.release();
  }
}

async function encryption(sql: Sql, { dbUrl }: Tier): Promise<Assumption> {
  const [row] = await sql<{ version: string | null }[]>`
    select s.version from pg_stat_ssl as s where s.pid = pg_backend_pid()`;
  const version = row?.version ?? null;
  const stays = isLoopback(new URL(dbUrl).hostname);
  return {
    topic: "encrypted",
    ok: version === "TLSv1.3" || stays,
    says: version ?? "not encrypted there",
  };
}
