import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { pushReleases } from "../../cli/lib/releases.ts";
import { pushFiles } from "../../cli/lib/supabase.ts";
import type { TestDatabase } from "../support/database.ts";
import { makeNotes } from "../support/moves.ts";
import { filesHere, filesOf } from "../support/released.ts";
import { refusal } from "../support/refusal.ts";
import { differences, snapshot } from "../support/snapshot.ts";
import { everyTable } from "./dump.ts";
import { releasedDatabase, upgrade } from "./support.ts";

/** A tier that its owner has made his own. */
async function lived(database: TestDatabase): Promise<void> {
  const { sql } = database;
  await sql`select strata.become('core')`;
  await makeNotes(database);
  await sql`select strata.hold('notes', p_key => '{1}', p_reason => 'kept')`;
  await sql`update strata.settings set value = 777 where name = 'batch_rows'`;
  await sql`update strata.schedules set active = false where job = 'strata-audit'`;
  await sql`update strata.schedules set cron = '30 3 * * *' where job = 'strata-move'`;
  await sql`update strata.quotas set amount = 12345 where name = 'egress'`;
  await sql`call strata.process()`;
}

/** Everything of a database, but for when its releases were installed. */
async function everything({ sql }: TestDatabase): Promise<Record<string, string[]>> {
  const { "strata.releases": _releases, ...tables } = await everyTable(sql);
  return { ...tables, ...await snapshot(sql, ["strata", "public"]) };
}

async function history({ sql }: TestDatabase): Promise<number> {
  const rows = await sql`select from supabase_migrations.schema_migrations`;
  return rows.length;
}

Deno.test("the same release pushed again changes nothing", async () => {
  await using db = await releasedDatabase("today", "core");
  await lived(db);
  const before = await everything(db);
  await pushFiles(db.url, await filesHere());
  assertEquals(differences(await everything(db), before), []);
  assertEquals(await history(db), 2);
});

Deno.test("setup upgrades 0.0 and takes its chapters out of the history; the owner's push of the same files changes nothing", async () => {
  await using db = await releasedDatabase("0.0", "core");
  await lived(db);
  assertEquals(await history(db), (await filesOf("0.0")).length);
  const { pushed } = await pushReleases(db.url);
  assertEquals(pushed.map(({ product }) => product), ["strata", "companion"]);
  assertEquals(await history(db), 0);
  const before = await everything(db);
  await pushFiles(db.url, await filesHere());
  assertEquals(differences(await everything(db), before), []);
});

Deno.test("0.0 is upgraded by its owner's own push", async () => {
  await using db = await releasedDatabase("0.0", "main");
  await using other = await releasedDatabase("today", "main");
  await pushFiles(db.url, await filesHere());
  assertEquals(
    differences(
      await snapshot(db.sql, ["strata", "public"]),
      await snapshot(other.sql, ["strata", "public"]),
    ),
    [],
  );
  await upgrade(db);
  assertEquals(await history(db), 2, "the owner's two files stay, the chapters of 0.0 go");
});

Deno.test("what needs Strata's functions is named, and nothing is changed; without it the push goes through", async () => {
  await using db = await releasedDatabase("0.0", "core");
  await lived(db);
  await db.sql`create view public.how_it_is as select * from strata.status()`;
  const before = await everything(db);
  const error = await assertRejects(() => upgrade(db), Error);
  assertMatch(`${error.message} ${(error as { hint?: string }).hint ?? ""}`, /ST068/);
  assertMatch(`${error.message} ${(error as { hint?: string }).hint ?? ""}`, /how_it_is/);
  assertEquals(differences(await everything(db), before), []);
  await db.sql`call strata.process()`;

  await db.sql`drop view public.how_it_is`;
  await upgrade(db);
  await db.sql`create view public.how_it_is as select * from strata.status()`;
});

Deno.test("a release that cannot have its locks gives up, and the old code runs on", async () => {
  await using db = await releasedDatabase("0.0", "core");
  await lived(db);
  const before = await everything(db);
  const [strata] = await filesHere();
  const text = (strata?.text ?? "").replaceAll("'60s'", "'50ms'");
  const busy = db.connect({ max: 1 });
  await busy.begin(async (other) => {
    await other`select from strata.moves`;
    const { code } = await refusal(db.connect({ max: 1 }).unsafe(text));
    assertEquals(code, "55P03");
  });
  assertEquals(differences(await everything(db), before), []);
  await db.sql`call strata.process()`;
  await upgrade(db);
});

Deno.test("an older file than what is there is refused before anything is changed", async () => {
  await using db = await releasedDatabase("today", "core");
  await lived(db);
  const before = await everything(db);
  const [strata] = await filesHere();
  const older = (strata?.text ?? "").replaceAll("'0.1.0'", "'0.0.9'");
  const { code, message } = await refusal(db.connect({ max: 1 }).unsafe(older));
  assertEquals([code, message], [
    "ST067",
    "this database has Strata 0.1.0, and this is the file of 0.0.9: nothing was changed",
  ]);
  assertEquals(differences(await everything(db), before), []);
});

Deno.test("what of the history is the owner's stays, whatever its name or hour; what a killed push left goes", async () => {
  await using db = await releasedDatabase("today", "core");
  const [strata] = await filesHere();
  await pushFiles(db.url, [
    { name: "20261122000100_orders.sql", text: "create table public.of_that_hour (id bigint);" },
    { name: "20270101000000_strata_setup.sql", text: "select strata.become('core');" },
    { name: "20270101000001_strata_setup.sql", text: strata?.text ?? "" },
  ]);
  await upgrade(db);
  const left = await db.sql`select version from supabase_migrations.schema_migrations order by 1`;
  assertEquals(left.map(({ version }) => version), ["20261122000100", "20270101000000"]);
});
