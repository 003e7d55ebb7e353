import assert from "node:assert/strict";
import { load, type LoadResult } from "../../cli/load/load.ts";
import { become } from "../../supabase/functions/_strata/protocol/strata.ts";
import { manage } from "../../cli/tiers/policies.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";

/** A core with one dataset of many types, `things`. */
async function core(): Promise<TestDatabase> {
  const db = await testDatabase("core");
  await become(db.sql, "core", false);
  await db.sql`create table public.things (
    id bigint primary key, name varchar(5), amount numeric, note text default 'none',
    parts integer[], extra jsonb, raw json, at timestamptz not null default now())`;
  await manage(db.sql, {
    dataset: "things",
    table: "public.things",
    ageColumn: "at",
    coreRetentionDays: 1,
    mainRetentionDays: 2,
    deleteAfterDays: 3,
    dueWhen: null,
    sizeLimitKb: null,
    deleteTriggers: null,
  });
  return db;
}

/** Loads a file of the given name and content into `things`. */
async function loaded(
  db: TestDatabase,
  name: string,
  content: string | Uint8Array<ArrayBuffer>,
  skipBad = false,
): Promise<LoadResult> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/${name}`;
  try {
    await Deno.writeFile(
      path,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
    return await load(db.sql, { dataset: "things", path, skipBad, onProgress: () => {} });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const all = (db: TestDatabase) =>
  db.sql<Record<string, string | null>[]>`
    select id::text, name, amount::text, note, parts::text, extra::text, raw::text
      from public.things order by id`;

Deno.test("load() takes JSON lines exactly as they are written", async () => {
  await using db = await core();
  const line = '{"id":9007199254740993,"amount":0.1000000000000000000001,"parts":[1,2],' +
    '"extra":{"n":12345678901234567890},"raw":{ "b" : 1, "a":[] }}';
  const result = await loaded(db, "a.jsonl", `${line}\n{"id":2,"note":null,"name":"日本"}`);
  assert.deepEqual([result.loaded, result.badCount, result.kept], [2, 0, true]);
  assert.deepEqual([...await all(db)], [
    { id: "2", name: "日本", amount: null, note: null, parts: null, extra: null, raw: null },
    {
      id: "9007199254740993",
      name: null,
      amount: "0.1000000000000000000001",
      note: "none",
      parts: "{1,2}",
      extra: '{"n": 12345678901234567890}',
      raw: '{ "b" : 1, "a":[] }',
    },
  ]);
});

Deno.test("load() takes CSV as Postgres does: empty is NULL, quoted empty is a text", async () => {
  await using db = await core();
  const csv = [
    "id,name,amount,note,parts,extra",
    '9007199254740993,"a,b",1.50,,"{1,2}","{""n"": 12345678901234567890}"',
    '2,"x\ny",,"",,',
  ].join("\r\n");
  const result = await loaded(db, "a.csv", `\uFEFF${csv}\r\n`);
  assert.deepEqual([result.loaded, result.bad], [2, []]);
  assert.deepEqual([...await all(db)], [
    { id: "2", name: "x\ny", amount: null, note: "", parts: null, extra: null, raw: null },
    {
      id: "9007199254740993",
      name: "a,b",
      amount: "1.50",
      note: null,
      parts: "{1,2}",
      extra: '{"n": 12345678901234567890}',
      raw: null,
    },
  ]);
});

Deno.test("load() reads past a byte order mark, CRLF, empty lines and a missing last newline", async () => {
  await using db = await core();
  const result = await loaded(db, "a.jsonl", '\uFEFF{"id":1}\r\n\r\n  \n{"id":2}');
  assert.deepEqual([result.loaded, result.badCount], [2, 0]);
});

Deno.test("load() takes an empty file for what it is", async () => {
  await using db = await core();
  for (const name of ["a.jsonl", "a.csv"]) {
    assert.deepEqual((await loaded(db, name, "")).loaded, 0);
  }
  assert.equal((await loaded(db, "header.csv", "id,name\n")).loaded, 0);
});

const BAD = [
  '{"id":1}', // good
  '{"id":2', // 2: cut off
  '{"id":3,"nam":"x"}', // 3: no such column
  '{"id":4,"amount":"lots"}', // 4: no number
  '{"id":5,"name":"too long"}', // 5: too long
  '{"id":1}', // 6: there already
  "[7]", // 7: no object
  '{"id":8,"at":null}', // 8: must be given
  '{"id":9}', // good
].join("\n");

Deno.test("load() keeps nothing of a file with bad lines, and names each with its reason", async () => {
  await using db = await core();
  const { kept, loaded: rows, bad } = await loaded(db, "a.jsonl", BAD);
  assert.deepEqual([kept, rows, bad.map(({ line }) => line)], [false, 0, [2, 3, 4, 5, 6, 7, 8]]);
  const says = bad.map((line) => line.says).join("\n");
  for (
    const reason of [
      /invalid input syntax for type json/,
      /column "nam" of relation "things" does not exist/,
      /column "amount": invalid input syntax for type numeric: "lots"/,
      /column "name": value too long/,
      /Key \(id\)=\(1\) already exists/,
      /not a JSON object/,
      /null value in column "at"/,
    ]
  ) assert.match(says, reason);
  assert.equal((await all(db)).length, 0);
});

Deno.test("load() keeps the good lines when bad ones are to be skipped", async () => {
  await using db = await core();
  const { kept, loaded: rows, badCount } = await loaded(db, "a.jsonl", BAD, true);
  assert.deepEqual([kept, rows, badCount], [true, 2, 7]);
  assert.deepEqual((await all(db)).map((row) => row["id"]), ["1", "9"]);
});

Deno.test("load() names a bad line of CSV by the line it begins on", async () => {
  await using db = await core();
  const csv = 'id,name\n1,"x\ny"\nlots,a\n4,b,c\n5,"x\ny"\n6,too long\n';
  const { bad, loaded: rows } = await loaded(db, "a.csv", csv, true);
  assert.deepEqual(bad.map(({ line }) => line), [4, 5, 8]);
  assert.match(bad[0]?.says ?? "", /column "id": invalid input syntax for type bigint: "lots"/);
  assert.equal(bad[1]?.says, "it has 3 fields, the header has 2");
  assert.equal(rows, 2);
});

Deno.test("load() says which line is no UTF-8, or holds a NUL", async () => {
  await using db = await core();
  const bytes = new Uint8Array(
    [...'{"id":1}\n{"name":"'].map((c) => c.charCodeAt(0)).concat(
      [0xff, 0x22, 0x7d, 0x0a],
      [...'{"name":"\0"}\n{"id":4,"name":"\\u0000"}\n'].map((c) => c.charCodeAt(0)),
    ),
  );
  const { bad } = await loaded(db, "a.jsonl", bytes, true);
  assert.deepEqual(bad.map(({ line }) => line), [2, 3, 4]);
  assert.match(bad[0]?.says ?? "", /not UTF-8/);
});

Deno.test("load() refuses a CSV file that is not UTF-8 with its line, and loads nothing", async () => {
  await using db = await core();
  const good = Array.from({ length: 20_000 }, (_, at) => `${at},ä\n`).join("");
  const inLatin1 = Uint8Array.from([
    ...new TextEncoder().encode(`id,name\n${good}-1,`),
    0xe9, // é
    ...new TextEncoder().encode("\n-2,ä\n"),
  ]);
  for (const skipBad of [false, true]) {
    await assert.rejects(loaded(db, "a.csv", inLatin1, skipBad), {
      message: "line 20002: this is not UTF-8",
      remedy: "Convert the file: iconv -f latin1 -t utf-8",
    });
  }
  assert.equal((await all(db)).length, 0);

  const cut = new TextEncoder().encode("id,name\n1,ä");
  await assert.rejects(loaded(db, "a.csv", cut.subarray(0, -1)), { message: /^line 2: / });
});

Deno.test("load() finds the one bad line among many batches", async () => {
  await using db = await core();
  const lines = Array.from({ length: 9_000 }, (_, at) => `{"id":${at === 7_776 ? '"x"' : at}}`);
  const { bad, kept } = await loaded(db, "a.jsonl", lines.join("\n"));
  assert.deepEqual([kept, bad.map(({ line }) => line)], [false, [7_777]]);
});

Deno.test("load() gives up on a file of nothing but bad lines", async () => {
  await using db = await core();
  const { readToEnd, bad } = await loaded(db, "a.jsonl", "nonsense\n{}\n".repeat(4_000));
  assert.deepEqual([readToEnd, bad.length], [false, 100]);
});

Deno.test("load() takes the owner's journal as it is", async () => {
  const journal = new URL("../../../shared/data/journal.jsonl", import.meta.url);
  const text = await Deno.readTextFile(journal).catch(() => "");
  if (text === "") return; // the owner's own data is not part of the project
  await using db = await testDatabase("core");
  await become(db.sql, "core", false);
  const policy = {
    ageColumn: "created_at",
    dueWhen: null,
    sizeLimitKb: null,
    deleteTriggers: null,
  };
  const ages = { coreRetentionDays: 7, mainRetentionDays: 365, deleteAfterDays: 1825 };
  const named = { dataset: "journal_entries", table: "public.journal_entries" };
  await manage(db.sql, { ...named, ...policy, ...ages });
  const path = journal.pathname;
  const result = await load(db.sql, {
    dataset: "journal_entries",
    path,
    skipBad: false,
    onProgress: () => {},
  });
  const lines = text.trimEnd().split("\n");
  assert.deepEqual([result.loaded, result.bad], [lines.length, []]);
  const [differing] = await db.sql<{ count: string }[]>`
    select count(*) from jsonb_array_elements(${`[${lines.join(",")}]`}::text::jsonb) as l (row)
      left join public.journal_entries as j on j.id = (l.row ->> 'id')::uuid
     where j.content is distinct from l.row ->> 'content'
        or j.created_at is distinct from (l.row ->> 'created_at')::timestamptz
        or to_jsonb(j.tags) is distinct from l.row -> 'tags'
        or j.date is distinct from (j.created_at at time zone 'utc')::date`;
  assert.equal(differing?.count, "0");
});

Deno.test("load() tells fields apart by what the header's are told apart by", async () => {
  await using db = await core();
  const files = [
    ["a.csv", 'id;name;note\n1;"a;b";one, two\n2;c;\n'],
    ["b.csv", "id\tname\tnote\n3\ta,b\tx;y\n"],
    ["c.tsv", "id\tname\n4\td\n"],
    ["d.csv", '"id","name","note"\n5,e,"a;b;c;d"\n'],
    ["e.csv", '\uFEFF"id";"name";"note"\r\n6;f;"g"\r\n'],
  ] as const;
  for (const [name, text] of files) {
    const { badCount, bad } = await loaded(db, name, text);
    assert.equal(badCount, 0, `${name}: ${bad[0]?.says}`);
  }
  const rows = (await all(db)).map(({ id, name, note }) => [id, name, note]);
  assert.deepEqual(rows, [
    ["1", "a;b", "one, two"],
    ["2", "c", null],
    ["3", "a,b", "x;y"],
    ["4", "d", "none"],
    ["5", "e", "a;b;c;d"],
    ["6", "f", "g"],
  ]);
});
