/** The page of what is called, read and changed in SQL, out of the catalogue. */
import type { ISql } from "postgres";
import { type Chapter, ROUTINES, TO_CHANGE, TO_READ } from "./callable.ts";
import { anchor, code, fence, sentence, table } from "./markdown.ts";

/** A declaration that is longer goes on lines of its own. */
const WIDTH = 100;

interface Column {
  name: string;
  type: string;
  preset: string | null;
}

interface Routine {
  name: string;
  procedure: boolean;
  says: string;
  result: string | null;
  arguments: Column[];
  answers: Column[];
}

interface Table {
  name: string;
  says: string;
  columns: (Column & { nullable: boolean; says: string | null })[];
}

/** Functions, procedures and tables of schema strata that are meant for its owner. */
export async function sqlPage(sql: ISql): Promise<string[]> {
  const routines = await routinesOf(sql);
  const tables = await tablesOf(sql);
  const chapter = <T extends { name: string }>(
    { title, names }: Chapter,
    all: T[],
    tell: (ones: T[]) => string[],
  ) => [
    `## ${title}`,
    ...names.flatMap((name) => tell(named(all, name))),
  ];
  const contents = ROUTINES.map(({ title, names }) => contentsOf(title, names, "()"));
  return [
    "# SQL",
    "What an owner calls, changes and reads in schema `strata`, as role `postgres`. What is not here " +
    "is Strata's own affair and may change with any release. Functions are called with " +
    "`select * from strata.plan()`, procedures with `call strata.process()`: alone, and outside a " +
    "transaction, since they commit.",
    [...contents, ...[TO_CHANGE, TO_READ].map(({ title, names }) => contentsOf(title, names, ""))]
      .join("\n"),
    ...ROUTINES.flatMap((one) => chapter(one, routines, tellRoutine)),
    ...chapter(TO_CHANGE, tables, tellTable),
    ...chapter(TO_READ, tables, tellTable),
  ];
}

function contentsOf(title: string, names: readonly string[], after: string): string {
  const links = names.map((name) => `[${code(name)}](#${anchor(`strata.${name}${after}`)})`);
  return `- ${title}: ${links.join(", ")}`;
}

function named<T extends { name: string }>(all: T[], name: string): T[] {
  const found = all.filter((one) => one.name === name);
  if (found.length === 0) throw new Error(`schema strata has no "${name}"`);
  return found;
}

/** What goes by one name; often it is one, and the others take further arguments. */
function tellRoutine(all: Routine[]): string[] {
  return [
    `### strata.${all[0]?.name}()`,
    ...all.flatMap((one) => [
      sentence(one.says),
      fence("sql", declaration(one)),
      ...(one.answers.length === 0 ? [] : [
        table(["answers", "type"], one.answers.map((a) => [code(a.name), code(short(a.type))])),
      ]),
    ]),
  ];
}

/** On one line where there is room for it. */
function declaration({ name, procedure, result, answers, arguments: given }: Routine): string {
  const words = given.map(({ name, type, preset }) =>
    `${name} ${short(type)}${preset === null ? "" : ` default ${short(preset)}`}`
  );
  const kind = procedure ? "procedure" : "function";
  const type = short(result ?? "").replace("SETOF", "setof");
  const what = answers.length > 0 && type.startsWith("TABLE") ? "table" : type;
  const after = procedure ? "" : ` returns ${what}`;
  const line = `${kind} strata.${name}(${words.join(", ")})${after}`;
  if (line.length <= WIDTH) return line;
  return `${kind} strata.${name}(\n${words.map((one) => `  ${one}`).join(",\n")}\n)${after}`;
}

/** A type or a default as people write it. */
function short(text: string): string {
  return text
    .replace(/^NULL(::.*)?$/, "null")
    .replace(/^'(-?\d+)'::(integer|bigint)$/, "$1")
    .replace(/^('[^']*')::text$/, "$1")
    .replace(/^'([^']*)'::interval$/, "interval '$1'")
    .replaceAll("timestamp with time zone", "timestamptz")
    .replaceAll("time without time zone", "time");
}

function tellTable(all: Table[]): string[] {
  return all.flatMap(({ name, says, columns }) => {
    const isTold = columns.some(({ says }) => says !== null);
    return [
      `### strata.${name}`,
      sentence(says),
      table(
        ["column", "type", "default", ...(isTold ? ["what it is"] : [])],
        columns.map(({ name, type, nullable, preset, says }) => [
          code(name),
          code(short(type)) + (nullable ? " or null" : ""),
          preset === null ? "" : code(short(preset)),
          ...(isTold ? [says === null ? "" : sentence(says)] : []),
        ]),
      ),
    ];
  });
}

async function routinesOf(sql: ISql): Promise<Routine[]> {
  return await sql<Routine[]>`
    select p.proname as name, p.prokind = 'p' as procedure, obj_description(p.oid, 'pg_proc') as says,
           pg_get_function_result(p.oid) as result,
           coalesce(a.given, '[]') as arguments, coalesce(a.answers, r.answers, '[]') as answers
      from pg_proc as p
      join pg_type as t on t.oid = p.prorettype
      cross join lateral (
        select jsonb_agg(x.told order by x.place) filter (where x.mode in ('i', 'b', 'v')) as given,
               jsonb_agg(x.told order by x.place) filter (where x.mode in ('o', 'b', 't')) as answers
          from (select u.place, coalesce(u.mode, 'i') as mode,
                       jsonb_build_object('name', u.name, 'type', format_type(u.type, null),
                         'preset', pg_get_function_arg_default(p.oid, u.place::integer)) as told
                  from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes)
                       with ordinality as u (type, name, mode, place)) as x) as a
      left join lateral (
        select jsonb_agg(jsonb_build_object('name', c.attname, 'preset', null,
                           'type', format_type(c.atttypid, c.atttypmod)) order by c.attnum) as answers
          from pg_attribute as c where c.attrelid = t.typrelid and c.attnum > 0 and not c.attisdropped) as r
        on t.typtype = 'c'
     where p.pronamespace = 'strata'::regnamespace
     order by p.proname collate "C", p.pronargs, pg_get_function_arguments(p.oid) collate "C"`;
}

async function tablesOf(sql: ISql): Promise<Table[]> {
  return await sql<Table[]>`
    select c.relname as name, obj_description(c.oid, 'pg_class') as says,
           jsonb_agg(jsonb_build_object(
             'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
             'preset', pg_get_expr(d.adbin, d.adrelid), 'says', col_description(c.oid, a.attnum))
             order by a.attnum) as columns
      from pg_class as c
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
     where c.relnamespace = 'strata'::regnamespace and c.relkind in ('r', 'p', 'v')
     group by c.oid, c.relname`;
}
