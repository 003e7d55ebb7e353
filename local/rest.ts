/**
 * The REST API of a local tier: @supabase/lite, a PostgREST-compatible gateway, over the tier's own
 * Postgres. It takes on the role that belongs to the key, as PostgREST does, so grants and RLS hold
 * here as well, with one exception: with the secret key it reads and writes tables as the role it logs
 * in with. That is `postgres`, because it also reads the catalogue so, with authenticator's time limits.
 */
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import postgres from "postgres";
import { z } from "zod";

/** A gateway to one database. */
export interface Rest {
  fetch(request: Request): Promise<Response>;
  close(): Promise<void>;
}

/** What the gateway logs in with and lets in. */
export interface RestOptions {
  databaseUrl: string;
  secretKey: string;
  publishableKey: string;
}

/** Schemas that answer over REST: those of supabase/config.toml. */
export const EXPOSED_SCHEMAS = ["public", "strata"];

/** Opens the gateway to a database, and anew after the database was away when it wanted to look. */
export function openRest(options: RestOptions): Rest {
  let gateway = openGateway(options);
  const look = postgres(options.databaseUrl, {
    max: 1,
    connect_timeout: 5,
    idle_timeout: 20,
    onnotice: () => {},
  });
  let mustLookAgain = false;
  let seen: string | undefined;
  return {
    async fetch(request) {
      if (mustLookAgain) {
        if (!await answers(options.databaseUrl)) return noSchemaCache();
        const blind = gateway;
        gateway = openGateway(options);
        mustLookAgain = false;
        seen = undefined;
        await blind.close();
      }
      const again = request.clone();
      const response = await gateway.fetch(request);
      if (response.status !== 404) {
        await again.body?.cancel();
        return response;
      }
      const there = await exposedIn(look).catch(() => undefined); // its session may have been ended
      if (there === undefined && !await answers(options.databaseUrl)) {
        // Without a database the gateway sees an empty one, in which there is nothing of that name.
        mustLookAgain = true;
        await Promise.all([again.body?.cancel(), response.body?.cancel()]);
        return noSchemaCache();
      }
      if (!await isUnknown(response) || (there !== undefined && there === seen)) {
        await again.body?.cancel();
        return response;
      }
      seen = there;
      await Promise.all([gateway.lookAgain(), response.body?.cancel()]);
      return await gateway.fetch(again);
    },
    close: async () => {
      await Promise.all([gateway.close(), look.end({ timeout: 1 })]);
    },
  };
}

/** A gateway that can be told to read the catalogue anew. */
interface Gateway extends Rest {
  lookAgain(): Promise<void>;
}

function openGateway({ databaseUrl, secretKey, publishableKey }: RestOptions): Gateway {
  const connection = createPostgresConnection({
    url: databaseUrl,
    postgresOptions: {
      max: 4,
      idle_timeout: 20,
      onnotice: () => {},
      connection: { statement_timeout: 8_000, lock_timeout: 8_000 },
    },
  });
  leaveGrantsAlone(connection);
  const app = new App({
    connection,
    auth: { enabled: false, secret_key: secretKey, publishable_key: publishableKey },
    api: { schemas: EXPOSED_SCHEMAS },
  });
  return {
    fetch: async (request) => await asPostgrest(await app.fetch(request, { peerAddress: null })),
    lookAgain: async () => await connection.clearSchemaCache(),
    close: () => connection.close(),
  };
}

/** As PostgREST says it while its database is away. */
function noSchemaCache(): Response {
  const message = "Could not query the database for the schema cache. Retrying.";
  return Response.json({ code: "PGRST002", message, details: null, hint: null }, { status: 503 });
}

/** Whether the database can be asked anything now. */
async function answers(databaseUrl: string): Promise<boolean> {
  const sql = postgres(databaseUrl, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    await sql`select`;
    return true;
  } catch {
    return false; // whatever is in the way, the gateway has it in its way as well
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * One short text that changes with the functions and tables that answer. The gateway reads the catalogue
 * once; on the platform PostgREST reads it anew after every change.
 */
async function exposedIn(sql: postgres.Sql): Promise<string | undefined> {
  const [row] = await sql<{ mark: string }[]>`
    select md5(string_agg(concat_ws(' ', o.oid, o.version), ',' order by o.oid, o.version)) as mark
      from (select p.oid, p.xmin::text, p.pronamespace from pg_catalog.pg_proc as p
            union all select c.oid, c.xmin::text, c.relnamespace from pg_catalog.pg_class as c
             where c.relkind in ('r', 'v', 'm', 'p', 'f')) as o (oid, version, namespace)
      join pg_catalog.pg_namespace as n on n.oid = o.namespace
     where n.nspname = any (${EXPOSED_SCHEMAS})`;
  return row?.mark ?? "nothing";
}

/** Whether an answer says that there is no such table or function. */
async function isUnknown(answer: Response): Promise<boolean> {
  if (answer.status !== 404) return false;
  const body: unknown = await answer.clone().json().catch(() => undefined);
  return Missing.safeParse(body).success;
}

/**
 * Where a table has RLS, the gateway's first request would grant everything to everybody: all tables
 * of that table's schema, and what is made there later, to anon, authenticated and service_role. It
 * has no option for that, only a note that it was done.
 */
function leaveGrantsAlone(connection: object): void {
  if (Reflect.get(connection, "rlsState") !== "unknown") {
    throw new Error("@supabase/lite keeps its note elsewhere: see what it grants now");
  }
  Reflect.set(connection, "rlsState", "active");
}

const Refusal = z.object({
  code: z.string(),
  message: z.string(),
  details: z.string().nullable(),
  hint: z.string().nullable(),
});
const Missing = z.object({ code: z.enum(["PGRST202", "PGRST205"]) });
const Unknown = z.object({ code: z.literal("SUP"), message: z.string() });

/** What the gateway's driver says, with no SQLSTATE, when the server is not there or goes away. */
const LOST = /\b(CONNECTION_(CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT|ECONN[A-Z]+|EPIPE)\b/;

/**
 * PostgREST hands on whatever a function raises: SQLSTATE, message and hint. The gateway does so for
 * the codes it knows and writes out the error for all others, as which we let it have the whole. A
 * connection that was lost is code PGRST001 of PostgREST.
 */
export async function asPostgrest(response: Response): Promise<Response> {
  if (response.status !== 500) return response;
  const unknown = Unknown.safeParse(await response.clone().json().catch(() => undefined));
  if (!unknown.success) return response;
  if (LOST.test(unknown.data.message)) {
    await response.body?.cancel();
    const lost = { code: "PGRST001", message: "Database client error", details: null, hint: null };
    return Response.json(lost, { status: 503 });
  }
  const refusal = Refusal.safeParse(parse(unknown.data.message));
  if (!refusal.success) return response;
  await response.body?.cancel();
  const isServers = /^(XX|53|58|57|08)/.test(refusal.data.code);
  return Response.json(refusal.data, { status: isServers ? 500 : 400 });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

postgres.PostgresError.prototype.toString = function () {
  const { code, message, detail = null, hint = null } = this;
  return JSON.stringify({ code, message, details: detail, hint });
};
