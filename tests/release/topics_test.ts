/** A topic knows those before it; those after it are reached through the registry. */
import { assert, assertEquals } from "@std/assert";
import {
  makersOf,
  onlyCode,
  topicFiles,
  topicsInOrder,
  upwardReferences,
} from "../support/topics.ts";
import { testDatabase } from "../support/database.ts";

/** Where a later topic's object is named all the same, as `file name`, and why that calls nothing. */
const ACCEPTED: Record<string, string> = {
  "foundation/schedule.sql process": "a sentence: what a person calls where there is no pg_cron",
  "moves/occasions.sql move_due": "a sentence: what a person calls to finish an open move",
};

/** Overloads: the topic that has the second one says more with it, and earlier ones call the first. */
const OVERLOADED: Record<string, string[]> = { remedy: ["datasets", "foundation"] };

Deno.test("nothing refers to a later topic except through the registry", async () => {
  const order = await topicsInOrder();
  const files = await topicFiles(order);
  assert(makersOf(files).size > 700);
  const found = upwardReferences(files, order).filter(({ path, name }) =>
    !(`${path} ${name}` in ACCEPTED)
  );
  assertEquals(
    found.map(({ path, line, name, made }) => `${path}:${line} ${name}, which ${made} makes`),
    [],
  );
});

Deno.test("an object has one topic, so that it can be told which is meant", async () => {
  const made = makersOf(await topicFiles(await topicsInOrder()));
  const several = [...made].filter(([, topics]) => topics.length > 1);
  assertEquals(Object.fromEntries(several), OVERLOADED);
});

Deno.test("what is accepted of references to later topics is still there", async () => {
  const order = await topicsInOrder();
  const all = upwardReferences(await topicFiles(order), order);
  const there = new Set(all.map(({ path, name }) => `${path} ${name}`));
  assertEquals(Object.keys(ACCEPTED).filter((one) => !there.has(one)), []);
});

Deno.test("a reference is found in code and in SQL that is text, and with its line", () => {
  const code = onlyCode(
    `-- strata.late() in a comment
create function strata.early() returns void language plpgsql as $$
begin
  perform strata.late(); -- strata.late()
  execute format('select strata.%I(''it''''s'', strata.late())', 'x');
end
$$;
comment on function strata.early() is 'As strata.late(); nothing more';
insert into strata.errors (code, cause, remedy) values
  ('ST000', 'none', 'select strata.late(); then wait'),
  ('ST999', 'none', 'it''s all')
on conflict (code) do update set cause = excluded.cause;
insert into strata.schedules (job, command) values ('strata-x', 'call strata.late()');
`,
  );
  const files = [
    { topic: "one", path: "one/a.sql", code },
    { topic: "two", path: "two/b.sql", code: "create function strata.late()\n" },
  ];
  assertEquals(
    upwardReferences(files, ["one", "two"]).map(({ line, name }) => [line, name]),
    [[4, "late"], [5, "late"], [13, "late"]],
  );
  assertEquals(upwardReferences(files, ["two", "one"]), []);
});

Deno.test("the registry names functions of Strata, and nothing else is called", async () => {
  await using db = await testDatabase("core");
  const { sql } = db;
  const arguments_: Record<string, string> = {
    unmanage: "text",
    new_colder: "text",
    rewriting: "text",
  };
  const entries = await sql<{ occasion: string; routine: string }[]>`
    select occasion, case occasion when 'report' then 'report_' else '' end || routine as routine
      from strata.registry order by occasion, place`;
  assert(entries.length > 20);
  for (const { occasion, routine } of entries) {
    const [found] = await sql`
      select strata.registered_call(${routine}, ${arguments_[occasion] ?? ""}) as name`;
    assertEquals(found?.["name"], `strata.${routine}`);
  }
  await sql`insert into strata.registry (occasion, place, routine) values ('prune', 999, 'pg_sleep(1); select')`;
  const refused = await sql`select strata.call_registered('prune')`.then(() => "called", String);
  assert(refused.includes("which is no function of Strata"), refused);
  await sql`delete from strata.registry where place = 999`;
  await sql.unsafe(`create function strata.theirs() returns void language sql as 'select'`);
  await sql.unsafe(`grant create on schema strata to service_role`);
  await sql.unsafe(`alter function strata.theirs() owner to service_role`);
  await sql`insert into strata.registry (occasion, place, routine) values ('prune', 999, 'theirs')`;
  const other = await sql`select strata.call_registered('prune')`.then(() => "called", String);
  assert(other.includes("which is no function of Strata"), other);
});
