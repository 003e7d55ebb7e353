/** docs/reference is current, and leaves out nothing that people are told of. */
import { assert, assertEquals } from "@std/assert";
import { ROUTINES, TO_CHANGE, TO_READ } from "../../cli/docs/callable.ts";
import { anchor, prose, sentence } from "../../cli/docs/markdown.ts";
import { REFERENCE, referencePages, stalePages } from "../../cli/docs/reference.ts";
import { planted } from "../../cli/docs/seeds.ts";
import { REPOSITORY } from "../../local/settings.ts";
import { testDatabase } from "../support/database.ts";
import { schemaFiles } from "../support/schemas.ts";

const TABLES = [...TO_CHANGE.names, ...TO_READ.names];

Deno.test("every page is what the release and the CLI make: deno task docs", async () => {
  await using db = await testDatabase();
  const pages = await referencePages(db.sql);
  assertEquals(await stalePages(pages), []);

  // whatever is changed in a database is told otherwise
  await db.sql`update strata.errors set remedy = 'do something else' where code = 'ST011'`;
  await db.sql`update strata.settings set value = 41 where name = 'batch_rows'`;
  await db.sql`update strata.schedules set cron = '1 1 * * *' where job = 'strata-move'`;
  await db.sql`update strata.alert_kinds set says = 'it is late' where kind = 'overdue'`;
  await db.sql.unsafe(
    "comment on function strata.hold(text, text[], text, text, timestamptz, text) is 'Holds'",
  );
  const stale = await stalePages(await referencePages(db.sql));
  assertEquals(stale, ["sql.md", "errors.md", "settings.md", "schedules.md", "alerts.md"]);
});

Deno.test("every row that a release plants is on its page", async () => {
  await using db = await testDatabase();
  const told = async (rows: PromiseLike<{ name: string }[]>, page: string) => {
    const text = await Deno.readTextFile(`${REFERENCE}/${page}`);
    const names = (await rows).map(({ name }) => name);
    assert(names.length > 5);
    assertEquals(names.filter((name) => !new RegExp(`(^### |\`)${name}\\b`, "m").test(text)), []);
    return names;
  };
  await told(db.sql`select code as name from strata.errors`, "errors.md");
  await told(db.sql`select job as name from strata.schedules`, "schedules.md");
  await told(db.sql`select kind as name from strata.alert_kinds`, "alerts.md");
  const settings = await told(db.sql`select name from strata.settings`, "settings.md");
  assertEquals([...(await planted("settings")).keys()].sort(), settings.sort());
});

Deno.test("every function that people are told to call is on the page of SQL, or scheduled", async () => {
  await using db = await testDatabase();
  const routines = db.sql<{ name: string }[]>`
    select distinct proname as name from pg_proc where pronamespace = 'strata'::regnamespace`;
  const commands = db.sql<{ command: string }[]>`select command from strata.schedules`;
  const there = new Set((await routines).map(({ name }) => name));
  const told = new Set([
    ...ROUTINES.flatMap(({ names }) => names),
    ...(await commands).flatMap(({ command }) => callsIn(command)),
  ]);
  const mentioned = new Set((await textsForPeople()).flatMap(callsIn));
  assert(mentioned.size > 20);
  assertEquals([...mentioned].filter((name) => there.has(name) && !told.has(name)), []);
});

Deno.test("every table that people are told of is on the page of SQL", async () => {
  await using db = await testDatabase();
  const tables = db.sql<{ name: string }[]>`
    select relname as name from pg_class
     where relnamespace = 'strata'::regnamespace and relkind in ('r', 'p', 'v')`;
  const texts = await textsForPeople();
  const mentioned = (await tables).filter(({ name }) =>
    texts.some((text) => new RegExp(`\\bstrata\\.${name}\\b(?!\\()`).test(text))
  );
  assert(mentioned.length > 10);
  assertEquals(mentioned.map(({ name }) => name).filter((name) => !TABLES.includes(name)), []);
});

Deno.test("what is on the page of SQL is there for people, or asked by the CLI", async () => {
  const client = [];
  for (const folder of ["supabase/functions/_strata/protocol", "cli/tiers"]) {
    for await (const { name } of Deno.readDir(`${REPOSITORY}/${folder}`)) {
      if (folder === "supabase/functions/_strata/protocol" && !name.startsWith("strata")) continue;
      client.push(await Deno.readTextFile(`${REPOSITORY}/${folder}/${name}`));
    }
  }
  const known = new Set([
    ...[...await textsForPeople(), ...client].flatMap(callsIn),
    ...client.flatMap((text) =>
      [...text.matchAll(/\brpc\("(\w+)"/g)].map(([, name]) => name ?? "")
    ),
  ]);
  const names = ROUTINES.flatMap(({ names }) => names);
  assertEquals(names.filter((name) => !known.has(name)), []);
  assertEquals(new Set(names).size, names.length);
  assertEquals(new Set(TABLES).size, TABLES.length);
});

Deno.test("no link of the reference leads nowhere, and no two headings of a page are the same", async () => {
  for await (const { name } of Deno.readDir(REFERENCE)) {
    const headings = await anchorsOf(name);
    assertEquals(headings.length, new Set(headings).size, name);
    const text = await Deno.readTextFile(`${REFERENCE}/${name}`);
    for (const [, page = "", heading = ""] of text.matchAll(/\]\(([\w./]*)(?:#([\w-]+))?\)/g)) {
      if (heading === "") await Deno.stat(`${REFERENCE}/${page}`);
      else {
        const there = await anchorsOf(page === "" ? name : page);
        assert(there.includes(heading), `${name}: ${page}#${heading}`);
      }
    }
  }
});

Deno.test("prose() shows code as code, links our errors, and lets nothing be markup", () => {
  for (
    const [text, markdown] of [
      ["as batch_bytes, for links", "as `batch_bytes`, for links"],
      ["run `deno task strata sync` there", "run `deno task strata sync` there"],
      ["(deno task strata certificates makes one)", "(`deno task strata certificates` makes one)"],
      [
        "select strata.hold(<dataset>, p_key => …);",
        "`select strata.hold(<dataset>, p_key => …);`",
      ],
      ["select name from strata.datasets", "`select name from strata.datasets`"],
      ["alter table <table> set logged; or", "`alter table <table> set logged;` or"],
      ["again: update strata.links set x = now().", "again: `update strata.links set x = now()`."],
      ["*_days, told_*: call strata.manage()", "`*_days`, `told_*`: call `strata.manage()`"],
      ["look at strata.costs; a call", "look at `strata.costs`; a call"],
      ["restore <table> *now*", "restore &lt;table&gt; \\*now\\*"],
      ["ST011: no such dataset", "[ST011](errors.md#st011): no such dataset"],
      ["rows of cron.job_run_details", "rows of `cron.job_run_details`"],
    ]
  ) assertEquals(prose(text ?? ""), markdown);
  assertEquals(sentence("nothing: it is tried again"), "Nothing: it is tried again.");
  assertEquals(sentence("update this copy, then push."), "Update this copy, then push.");
  assertEquals(sentence("select strata.become('core')"), "`select strata.become('core')`.");
});

/** Calls of functions of schema strata that a text shows. */
function callsIn(text: string): string[] {
  return [...text.matchAll(/\bstrata\.(\w+)\(/g)].map(([, name]) => name ?? "");
}

/** README, docs, and in SQL what is said to people: sentences and seeds. docs/design tells of the inside. */
async function textsForPeople(): Promise<string[]> {
  const texts = [await Deno.readTextFile(`${REPOSITORY}/README.md`)];
  for (const folder of ["docs", "docs/guide"]) {
    const files = await Array.fromAsync(Deno.readDir(`${REPOSITORY}/${folder}`)).catch(() => []);
    for (const { name, isFile } of files) {
      if (isFile) texts.push(await Deno.readTextFile(`${REPOSITORY}/${folder}/${name}`));
    }
  }
  for await (const { path, text } of schemaFiles()) {
    const said = text.replaceAll(/^comment on [^']*(?:'(?:[^']|'')*'\s*)+;$/gm, "");
    for (const [, literal] of said.matchAll(/--.*|'((?:[^']|'')*)'/g)) {
      if (literal === undefined) continue;
      if (path.endsWith("/seed.sql") || /^[A-Z][a-z]+ /.test(literal)) texts.push(literal);
    }
  }
  return texts;
}

async function anchorsOf(page: string): Promise<string[]> {
  const text = (await Deno.readTextFile(`${REFERENCE}/${page}`)).replaceAll(/^```.*?^```/gms, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading ?? ""));
}
