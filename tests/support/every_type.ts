import type { Sql } from "postgres";
import { BUILTIN, quoted } from "./builtin_types.ts";

/** Settings that change how values are written and read, and no value may care. */
export const NASTY_SETTINGS: Record<string, string> = {
  datestyle: "'German, DMY'",
  intervalstyle: "sql_standard",
  timezone: "'Asia/Kathmandu'",
  bytea_output: "escape",
  extra_float_digits: "0",
  xmlbinary: "hex",
  xmloption: "document",
  array_nulls: "off",
  default_transaction_isolation: "serializable",
  standard_conforming_strings: "off",
  backslash_quote: "off",
};

/** Texts that break whatever quotes, splits or escapes them carelessly. */
const NASTY_TEXTS = [
  "",
  " ",
  "NULL",
  "null",
  "\\N",
  "\\",
  "\\\\.",
  "'",
  "''",
  '"',
  '""',
  "(,)",
  "{}",
  '{"a",NULL}',
  "a\nb\r\nc\td\v",
  "\n9f3c7a52-11d0-4c0e-9d2b-8a2f6f7f1c11\n", // what stood between the rows of another move
  "$$ $m$ $m9f3c7a5211d04c0e9d2b8a2f6f7f1c11$ $1 %s %L %% %",
  "ünïcödé, 漢字, עברית, 👩‍👩‍👧‍👦 and \u{1F4A9}",
  "e\u0301 is not \u00e9",
  "\u0001\u007f\u0080\ufeff\u2028",
  "x".repeat(10_000),
];

/** Values per type, each an SQL expression. */
const COLUMNS: Record<string, { type: string; values: string[] }> = {
  c_smallint: { type: "smallint", values: ["-32768", "32767"] },
  c_bigint: { type: "bigint", values: ["9007199254740993", "-9223372036854775808"] },
  c_numeric: {
    type: "numeric",
    values: ["0.00", "-1e-200", `${"9".repeat(200)}.${"1".repeat(60)}`, "'NaN'", "'-Infinity'"],
  },
  c_money_like: { type: "numeric(12,2)", values: ["10", "-0.10"] },
  c_real: { type: "real", values: ["'-0'", "'NaN'", "'Infinity'", "0.1", "1.17549435e-38"] },
  c_double: {
    type: "double precision",
    values: ["'-0'", "'NaN'", "'-Infinity'", "0.1::float8 + 0.2", "5e-324"],
  },
  c_boolean: { type: "boolean", values: ["true", "false"] },
  c_char: { type: "char(5)", values: ["'ab'", "''"] },
  c_varchar: { type: "varchar(20)", values: ["'ab  '", "''"] },
  c_internal_char: { type: '"char"', values: ["'a'", "'\"'"] },
  c_timestamptz: {
    type: "timestamptz",
    values: [
      "'infinity'",
      "'-infinity'",
      "'2024-02-29 23:59:59.999999+05:45'",
      "'0044-03-15 12:00 BC'",
    ],
  },
  c_timestamp: { type: "timestamp", values: ["'infinity'", "'1999-12-31 23:59:59.000001'"] },
  c_date: { type: "date", values: ["'infinity'", "'2024-02-03'", "'4713-01-01 BC'"] },
  c_time: { type: "time", values: ["'24:00:00'", "'00:00:00.000001'"] },
  c_timetz: { type: "timetz", values: ["'23:59:59.999999-15:59'", "'00:00+05:45'"] },
  c_interval: {
    type: "interval",
    values: ["'-1 mons +2 days -00:00:00.000001'", "'1 year 2 mons -3 days'", "'0'"],
  },
  c_bytea: {
    type: "bytea",
    values: ["'\\x'", "'\\x00ff5c27220a'", "decode(repeat('00', 5000), 'hex')"],
  },
  c_array: {
    type: "text[]",
    values: [
      "'{}'",
      "array['a', null, 'NULL', '', '\"', '\\', '{', ',']",
      "'[2:3][-1:0]={{a,b},{c,NULL}}'::text[]",
    ],
  },
  c_int_array: { type: "integer[]", values: ["'[0:1]={1,NULL}'"] },
  c_enum: { type: "public.mood", values: ["'it''s \"fine\"'", "'so so'"] },
  c_domain: { type: "public.short", values: ["'abc'"] },
  c_composite: {
    type: "public.place",
    values: [
      "row('a \"b\", c', 1.5, array['x', null])::public.place",
      "row(null, null, null)::public.place",
      "row('', null, '{}')::public.place",
    ],
  },
  c_composites: {
    type: "public.place[]",
    values: ["array[row('(\"', 0, '{\"\"}')::public.place, null]"],
  },
  c_range: { type: "tstzrange", values: ["'empty'", "'(,)'", "'[2020-01-01 00:00+00,infinity)'"] },
  c_own_range: { type: "public.span", values: ["'[0.1,NaN)'"] },
  c_multirange: { type: "int8multirange", values: ["'{}'", "'{[1,3),[9007199254740993,)}'"] },
  c_json: { type: "json", values: ['E\' { "b" : 1.0,\n "b":2 , "a":null} \'', "'null'"] },
  c_jsonb: {
    type: "jsonb",
    values: ["'null'", '\'{"b": 1.0, "a": ["\\\\u00e9", 1e400]}\'', "'\"\"'"],
  },
  c_uuid: { type: "uuid", values: ["'00000000-0000-0000-0000-000000000000'"] },
  c_inet: { type: "inet", values: ["'10.1.2.3/8'", "'::ffff:1.2.3.4'"] },
  c_cidr: { type: "cidr", values: ["'10.0.0.0/8'"] },
  c_macaddr: { type: "macaddr", values: ["'08:00:2b:01:02:03'"] },
  c_bit: { type: "bit varying", values: ["b''", "b'0010'"] },
  c_money: { type: "money", values: ["'-92233720368547758.08'", "1234.5::numeric::money"] },
  c_tsvector: { type: "tsvector", values: ["'''it''''s'':1A,3 fat:2B'", "''"] },
  c_tsquery: { type: "tsquery", values: ["'a & !b <-> c:*'"] },
  c_xml: { type: "xml", values: ["'<a b=\"1\">&lt;</a>text<c/>'"] },
  c_point: { type: "point", values: ["'(0.1,-0)'"] },
  c_lsn: { type: "pg_lsn", values: ["'16/B374D848'"] },
  c_jsonpath: { type: "jsonpath", values: ["'$.a[*] ? (@ > 1)'"] },
};

/** Types that are above already, under the names that a person writes. */
const ABOVE = Object.values(COLUMNS).map(({ type }) => type);

/** Every other type that comes with Postgres, with the values at its edges. */
for (const [name, values] of Object.entries(BUILTIN)) {
  const type = quoted(name);
  if (!ABOVE.includes(name)) {
    COLUMNS[`b_${name}`] = {
      type,
      values: values.map((v) => `(${v})::${type}`),
    };
  }
}

/** Makes `public.every_type`: a row per value, one with all values, one with none; all are old. */
export async function makeEveryType(sql: Sql): Promise<void> {
  await sql`create type public.mood as enum ('so so', 'it''s "fine"', 'fine')`;
  await sql`create domain public.short as varchar(3) check (value <> '')`;
  await sql`create type public.place as (name text, size numeric, tags text[])`;
  await sql`create type public.span as range (subtype = float8)`;
  const columns = Object.entries(COLUMNS);
  const list = columns.map(([name, { type }]) => `${name} ${type}, dropped_${name} integer`);
  await sql.unsafe(`create table public.every_type (
    id integer primary key, created_at timestamptz not null default '2001-02-03 04:05:06.789012+00',
    c_text text, ${list.join(", ")},
    c_generated numeric generated always as (c_bigint * 2.5) stored)`);
  const dropped = columns.map(([name]) => `drop column dropped_${name}`);
  await sql.unsafe(`alter table public.every_type ${dropped.join(", ")}`);

  let id = 0;
  for (const [name, { values }] of columns) {
    for (const value of values) {
      await sql.unsafe(`insert into public.every_type (id, ${name}) values (${++id}, ${value})`);
    }
  }
  for (const text of NASTY_TEXTS) {
    await sql`insert into public.every_type (id, c_text) values (${++id}, ${text})`;
  }
  await sql`insert into public.every_type (id) values (${++id})`;
  const names = columns.map(([name]) => name).join(", ");
  const first = columns.map(([_, { values, type }]) => `(${values[0]})::${type}`).join(", ");
  await sql.unsafe(`insert into public.every_type (id, ${names}) values (${++id}, ${first})`);
}
