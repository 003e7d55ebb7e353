import postgres, { type Sql } from "postgres";
import { DatabaseError } from "../../supabase/functions/_strata/http/errors.ts";
import type { Rpc } from "../../supabase/functions/_strata/protocol/strata_rpc.ts";

/** A function as the catalogue knows it. */
interface Signature {
  names: string[];
  types: string[];
  is_set: boolean;
  is_void: boolean;
}

/**
 * Calls functions of a test database as the REST API does: as `service_role`, arguments and answer as
 * JSON. A handler under test takes it for `rpc`; the real thing is tested over the local gateway.
 */
export function rpcTo(sql: Sql): Rpc {
  return async (name, args = {}) => {
    const given = Object.keys(args).filter((key) => args[key] !== undefined);
    const [found] = await sql<Signature[]>`
      select coalesce(array_agg(a.name order by a.at) filter (where a.name = any (${given})), '{}') as names,
             coalesce(array_agg(format_type(a.type, null) order by a.at)
                      filter (where a.name = any (${given})), '{}') as types,
             p.proretset as is_set, p.prorettype = 'void'::regtype as is_void
        from pg_proc as p
        left join lateral unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]))
          with ordinality as a (name, type, at) on a.at <= p.pronargs
       where p.pronamespace = 'strata'::regnamespace and p.proname = ${name}
       group by p.oid
      having count(*) filter (where a.name = any (${given})) = ${given.length}`;
    if (found === undefined) throw new DatabaseError("PGRST202", `no function strata.${name}`);
    try {
      const mode = "isolation level read committed read write"; // as PostgREST begins it
      return await sql.begin(mode, (transaction) => ask(transaction, name, found, args));
    } catch (error) {
      if (!(error instanceof postgres.PostgresError)) throw error;
      throw new DatabaseError(error.code, error.message, error.hint ?? null);
    }
  };
}

async function ask(
  sql: postgres.TransactionSql,
  name: string,
  { names, types, is_set, is_void }: Signature,
  args: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const record = names.map((one, at) => `"${one}" ${types[at]}`).join(", ");
  const passed = names.map((one) => `"${one}" => a."${one}"`).join(", ");
  const from = names.length === 0 ? "" : `from json_to_record($1::text::json) as a (${record}),`;
  const call = `strata."${name}"(${passed})`;
  const answer = is_set ? "coalesce(json_agg(r), '[]')" : "to_json(r)";
  await sql`set local role service_role`;
  const [row] = await sql.unsafe<{ answer: unknown }[]>(
    `select ${answer} as answer ${from === "" ? "from" : `${from} lateral`} ${call} as r`,
    names.length === 0 ? [] : [JSON.stringify(args)],
  );
  return is_void ? null : row?.answer ?? null;
}
