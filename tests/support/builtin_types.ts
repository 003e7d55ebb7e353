/** Every type that comes with Postgres, each with values at its edges. */

/** SQL expressions per type; each is cast to the type. */
export const BUILTIN: Record<string, string[]> = {
  bool: ["true", "false"],
  bytea: ["'\\x'", "'\\x00ff5c27220a'", "decode(repeat('5c', 3000), 'hex')"],
  char: [
    `'a'::"char"`,
    `'"'::"char"`,
    `0::"char"`,
    `(-100)::"char"`,
    `(-1)::"char"`,
    `'\\'::"char"`,
  ],
  name: ["'a name'", `'"q" ,\\'`, "repeat('é', 31)", "''"],
  int8: ["9223372036854775807", "-9223372036854775808"],
  int2: ["32767", "-32768"],
  int2vector: ["'1 -2 3'", "''"],
  int4: ["2147483647", "-2147483648"],
  text: ["''", "E'\\n'", "'NULL'", `'{"a",\\b}'`, "'(,)'"],
  json: [`' {"b" : 1.0, "b":2} '`, "'null'"],
  xml: [
    `'<?xml version="1.0" encoding="UTF-8"?><a>é</a>'`,
    `'<?xml version="1.0"?><a/>'`,
    `'<?xml version="1.0" standalone="yes"?><!DOCTYPE a [<!ENTITY e "x">]><a>&lt;</a>'`,
    `'<?xml version="1.0" encoding="latin1"?><a>,"\\(){}</a>'`,
    `' mixed <b>1</b> '`,
    `''`,
  ],
  point: ["'(0.1,-0)'", "'(NaN,Infinity)'", "'(1e-300,1.7976931348623157e308)'"],
  lseg: ["'[(0.1,2),(3,4.00000000000001)]'"],
  path: ["'[(0.1,2),(3,4)]'", "'((0.1,2),(3,4))'"],
  box: ["'(3.1,4),(0.1,2)'"],
  polygon: ["'((0.1,2),(3,4),(5,6))'"],
  line: ["'{0.1,-1,3}'"],
  float4: ["'-0'", "'NaN'", "'Infinity'", "0.1", "1.17549435e-38", "16777217", "3.4028235e38"],
  float8: ["'-0'", "'NaN'", "'-Infinity'", "0.1::float8 + 0.2", "5e-324", "1.7976931348623157e308"],
  circle: ["'<(0.1,-2),3.3>'"],
  money: ["'-92233720368547758.08'", "'92233720368547758.07'", "0.1::numeric", "'-1'"],
  macaddr: ["'08:00:2b:01:02:03'"],
  inet: ["'10.1.2.3/8'", "'::ffff:1.2.3.4'", "'fe80::1/10'"],
  cidr: ["'10.0.0.0/8'", "'::/0'"],
  macaddr8: ["'08:00:2b:01:02:03:04:05'"],
  aclitem: ["'postgres=r*w/postgres'", "'=r/postgres'"],
  bpchar: ["'ab  '", "''"],
  varchar: ["'ab  '", "''"],
  date: ["'infinity'", "'-infinity'", "'4714-11-24 BC'", "'5874897-12-31'", "'2024-02-03'"],
  time: ["'24:00:00'", "'00:00:00.000001'"],
  timestamp: ["'infinity'", "'4714-11-24 00:00:00 BC'", "'294276-12-31 23:59:59.999999'"],
  timestamptz: [
    "'-infinity'",
    "'4714-11-24 00:00:00+00 BC'",
    "'294276-12-31 23:59:59.999999+00'",
    "'1890-01-01 00:00:00+05:41:16'",
  ],
  interval: [
    "'-178000000 years'",
    "'178000000 years'",
    "'-1 mons +2 days -00:00:00.000001'",
    "'1 year 2 mons -3 days 04:05:06.7'",
    "'0'",
    "'2147483647 days'",
  ],
  timetz: ["'23:59:59.999999-15:59:59'", "'00:00+15:59'", "'24:00+00'"],
  bit: ["B'0'", "B'1'"],
  varbit: ["B''", "B'0010'"],
  numeric: ["0.00", "-1e-200", "1e131071::numeric", "'NaN'", "'-Infinity'", "'1.10'"],
  refcursor: ["'a \"b\"'", "''"],
  uuid: ["'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
  pg_lsn: ["'FFFFFFFF/FFFFFFFF'", "'0/0'"],
  tsvector: ["'''it''''s'':1A,3 fat:2B'", "'a:16383'", "''", "'''\\\\\\\\'':1'"],
  tsquery: ["'a & !b <-> c:*AB'", "''", "'''it''''s'' <3> \\\\\\\\'"],
  jsonb: ["'null'", `'{"b": 1.00, "a": ["\\u00e9", 1e400]}'`],
  jsonpath: ["'$.a[*] ? (@ > 1)'", `'strict $."a b".c'`],
  txid_snapshot: ["'10:20:10,14,15'"],
  pg_snapshot: ["'10:20:10,14,15'"],
  tid: ["'(4294967295,65535)'", "'(0,0)'"],
  xid: ["'4294967295'", "'0'"],
  xid8: ["'18446744073709551615'", "'0'"],
  cid: ["'4294967295'", "'0'"],
  regproc: ["'pg_catalog.now'", "0", "99999999::oid"],
  regprocedure: ["'pg_catalog.abs(int)'", "0", "99999999::oid"],
  regoper: ["'pg_catalog.||/'", "0", "99999999::oid"],
  regoperator: ["'=(int,int)'", "'!!(none,tsquery)'", "0", "99999999::oid"],
  regclass: ["'pg_class'", "'strata.moves'", "0", "99999999::oid"],
  regcollation: [`'"C"'`, "0", "99999999::oid"],
  regtype: ["'timestamptz'", "'int[]'", `'"char"'`, "'strata.batch'", "0", "99999999::oid"],
  regrole: ["'postgres'", "0", "99999999::oid"],
  regnamespace: ["'strata'", "0", "99999999::oid"],
  regconfig: ["'english'", "0", "99999999::oid"],
  regdictionary: ["'simple'", "0", "99999999::oid"],
  int4range: ["'empty'", "'(,)'", "'[1,2147483647)'"],
  numrange: ["'[0.10,NaN)'", "'[1.0,1.00]'", "'empty'"],
  tsrange: ["'[2020-01-01,infinity)'", "'(,infinity]'"],
  tstzrange: ["'[2020-01-01 00:00+05:45,infinity]'", "'empty'"],
  daterange: ["'[2020-01-01,infinity)'", "'(-infinity,2020-01-01]'"],
  int8range: ["'[9007199254740993,)'"],
  int4multirange: ["'{}'", "'{[1,3),[5,)}'"],
  nummultirange: ["'{[0.10,1),[2,NaN)}'"],
  tsmultirange: ["'{[2020-01-01,infinity)}'"],
  tstzmultirange: ["'{[2020-01-01 00:00+00,infinity]}'"],
  datemultirange: ["'{(-infinity,2020-01-01],[2021-01-01,)}'"],
  int8multirange: ["'{}'", "'{[1,3),[9007199254740993,)}'"],
};

/** Types of which values cannot cross; a table with one is refused. */
export const REFUSED = [
  "gtsvector",
  "oid",
  "oidvector",
  "pg_brin_bloom_summary",
  "pg_brin_minmax_multi_summary",
  "pg_dependencies",
  "pg_mcv_list",
  "pg_ndistinct",
  "pg_node_tree",
];

/** Of what a type's values may be a part: how such a column is declared and a value of it made. */
export const FORMS: Record<string, (name: string) => { type: string; value(v: string): string }> = {
  alone: (name) => ({ type: quoted(name), value: (v) => v }),
  array: (name) => ({ type: `${quoted(name)}[]`, value: (v) => `array[${v}, null, ${v}]` }),
  cube: (name) => ({
    type: `${quoted(name)}[]`,
    value: (v) => `array_fill(${v}, array[2, 3], array[-1, 5])`,
  }),
  composite: (name) => ({
    type: `public.c_${name}`,
    value: (v) => `row(1, ${v}, array[${v}, null])::public.c_${name}`,
  }),
  composites: (name) => ({
    type: `public.c_${name}[]`,
    value: (v) => `array[row(null, ${v}, '{}')::public.c_${name}, null]`,
  }),
  domain: (name) => ({ type: `public.d_${name}`, value: (v) => `(${v})::public.d_${name}` }),
  deep: (name) => ({
    type: `public.e_${name}`,
    value: (v) =>
      `row(array[(${v})::public.d_${name}], row(2, ${v}, null)::public.c_${name})::public.e_${name}`,
  }),
};

/** A type's name as SQL. */
export const quoted = (name: string) => `pg_catalog."${name}"`;

/** The types that those forms of a type need. */
export const formTypes = (name: string) => `
  create type public.c_${name} as (n int, v ${quoted(name)}, vs ${quoted(name)}[]);
  create domain public.d_${name} as ${quoted(name)};
  create type public.e_${name} as (ds public.d_${name}[], c public.c_${name});`;
