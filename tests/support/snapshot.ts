import type { Sql } from "postgres";

/** What a database holds of Strata's, each object as one line of text: to be compared with another's. */
export type Snapshot = Record<string, string[]>;

const QUESTIONS: Record<string, string> = {
  tables:
    `select format('%s rls=%s persistence=%s acl=%s options=%s: %s', c.oid::regclass, c.relrowsecurity, c.relpersistence,
      (select string_agg(a::text, ',' order by a::text) from unnest(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) as a), c.reloptions, obj_description(c.oid, 'pg_class'))
    from pg_class as c where c.relnamespace = any ($1) and c.relkind in ('r', 'p', 'S', 'v')`,
  columns: `select format('%s.%s %s %s%s%s default %s storage=%s identity=%s: %s', c.oid::regclass,
      row_number() over (partition by c.oid order by a.attnum), a.attname, format_type(a.atttypid, a.atttypmod),
      case when a.attnotnull then ' not null' end, ' collate ' || nullif(a.attcollation, 0)::regcollation::text,
      pg_get_expr(d.adbin, d.adrelid), a.attstorage, concat(a.attidentity, a.attgenerated), col_description(c.oid, a.attnum))
    from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = any ($1) and c.relkind in ('r', 'p', 'v', 'c')`,
  // without brackets: which `and`s are kept together is lost in a dump
  constraints:
    `select format('%s %s %s validated=%s', n.conrelid::regclass, n.conname, translate(pg_get_constraintdef(n.oid), '()', ''), n.convalidated)
    from pg_constraint as n where n.connamespace = any ($1) and n.contype <> 'n'`,
  indexes:
    `select pg_get_indexdef(i.indexrelid) from pg_index as i join pg_class as c on c.oid = i.indrelid
    where c.relnamespace = any ($1)`,
  routines:
    `select format('%s returns %s %s %s owner=%s config=%s acl=%s defaults=%s: %s%s', p.oid::regprocedure,
      pg_get_function_result(p.oid), concat_ws(' ', p.prokind, p.provolatile, p.proparallel, p.proisstrict, p.prosecdef, p.procost, p.prorows),
      p.proargnames, p.proowner::regrole, p.proconfig, (select string_agg(a::text, ',' order by a::text) from unnest(coalesce(p.proacl, acldefault('f', p.proowner))) as a),
      pg_get_expr(p.proargdefaults, 0), obj_description(p.oid, 'pg_proc'), E'\\n' || p.prosrc)
    from pg_proc as p where p.pronamespace = any ($1)`,
  triggers:
    `select format('%s %s: %s', pg_get_triggerdef(g.oid), g.tgenabled, obj_description(g.oid, 'pg_trigger'))
    from pg_trigger as g join pg_class as c on c.oid = g.tgrelid where c.relnamespace = any ($1) and not g.tgisinternal`,
  types: `select format('%s %s: %s', t.oid::regtype, t.typtype, obj_description(t.oid, 'pg_type'))
    from pg_type as t left join pg_class as c on c.oid = t.typrelid
    where t.typnamespace = any ($1) and t.typelem = 0 and (c.oid is null or c.relkind = 'c')`,
};

/** Tables of rows that come with Strata itself, and which columns of them an owner may have changed. */
const SEEDS = ["errors", "settings", "alert_kinds", "schedules", "quotas", "rights"];

/** Everything of Strata's in a database, but for rows of its own life. */
export async function snapshot(sql: Sql, schemas = ["strata"]): Promise<Snapshot> {
  const found: Snapshot = {};
  const oids = schemas.map((name) => `'${name}'::regnamespace::oid`).join(", ");
  for (const [what, question] of Object.entries(QUESTIONS)) {
    const rows = await sql.unsafe(question.replace("($1)", `(array[${oids}])`)).values();
    found[what] = rows.map(([text]) => String(text)).sort();
  }
  for (const table of SEEDS) {
    const [there] = await sql`select to_regclass(${`strata.${table}`}) as it`;
    if (there?.["it"] === null) continue; // an older release
    const rows = await sql.unsafe(`select s::text from strata.${table} as s`).values();
    found[table] = rows.map(([text]) => String(text)).sort();
  }
  return found;
}

/** What only one of two snapshots (or of two lists of rows by table) has: "- what: …" of the first, "+ what: …" of the other. */
export function differences(
  one: Readonly<Record<string, string[]>>,
  other: Readonly<Record<string, string[]>>,
): string[] {
  const found: string[] = [];
  for (const what of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const [a, b] = [new Set(one[what] ?? []), new Set(other[what] ?? [])];
    found.push(...[...a.difference(b)].map((text) => `- ${what}: ${text}`));
    found.push(...[...b.difference(a)].map((text) => `+ ${what}: ${text}`));
  }
  return found;
}
