import { assertEquals } from "@std/assert";
import type { Sql } from "postgres";
import { connectLocally } from "../../local/cluster.ts";
import { testChain } from "../support/chain.ts";
import { addNote, idsOn, manage, manageNotes, settle } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";
import { testCluster } from "../support/stack.ts";

/** Columns, indexes and comment of table notes, as the catalogue tells them. */
async function shape(sql: Sql) {
  return [
    ...await sql`
    select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type from pg_attribute as a
     where a.attrelid = 'public.notes'::regclass and a.attnum > 0
    union all
    select 'index', pg_get_indexdef(i.indexrelid) from pg_index as i
     where i.indrelid = 'public.notes'::regclass order by 1, 2`,
  ];
}

Deno.test("unmanage() leaves table, rows and indexes as they are, here and on colder tiers", async () => {
  await using chain = await testChain();
  const { core, main } = chain;
  await manageNotes(core.sql);
  await addNote(core.sql, 1, "2020-01-01");
  await addNote(core.sql, 2, "2999-01-01");
  await settle(chain);
  await settle(chain);
  const shapes = () => Promise.all(chain.databases.map(({ sql }) => shape(sql)));
  const before = await shapes();

  await core.sql`select strata.unmanage('notes')`;
  await addNote(core.sql, 3, "2000-01-01");
  await settle(chain);

  assertEquals(await shapes(), before);
  assertEquals(await idsOn(core.sql), [2, 3]);
  assertEquals([...await main.sql`select name from strata.datasets`], [{ name: "notes" }]);
});

Deno.test("unmanage() forgets the dataset's holds and the rows that were set aside", async () => {
  await using chain = await testChain();
  const { core } = chain;
  await manageNotes(core.sql);
  await core.sql`select strata.hold('notes', '{1}', p_reason => 'why not')`;
  await core.sql`select strata.put_aside('notes', '{2}', 'ST040', 'another row')`;
  await core.sql`select strata.unmanage('notes')`;
  assertEquals([...await core.sql`select from strata.holds`], []);
  assertEquals([...await core.sql`select from strata.set_aside`], []);
});

Deno.test("a table can be managed again after unmanage(), and goes on where it was", async () => {
  await using chain = await testChain();
  const { core, main } = chain;
  await manageNotes(core.sql);
  await settle(chain);
  await core.sql`select strata.unmanage('notes')`;
  await manage(core.sql, "public.notes");
  await addNote(core.sql, 1, "2020-01-01");
  await core.sql`call strata.move_due()`;
  assertEquals(await idsOn(main.sql), [1]);
});

Deno.test("unmanage() waits for no open move: it is refused while there is one, on either side", async () => {
  await using chain = await testChain();
  const { core, main } = chain;
  await manageNotes(core.sql);
  await settle(chain);
  await addNote(core.sql, 1, "2020-01-01");
  await core.sql`select strata.claim('notes', 'main')`;
  await main.sql`
    insert into strata.arrivals (move_id, dataset, from_tier, opened_at)
    values (gen_random_uuid(), 'notes', 'core', strata.clock())`;

  for (const { sql } of [core, main]) {
    assertEquals(await refusal(sql`select strata.unmanage('notes')`), {
      code: "ST033",
      message: 'dataset "notes" has an open move',
      hint: "call strata.move_due() on the tier that drives the link until it is closed, " +
        "then try again",
    });
  }
});

Deno.test("unmanage() refuses a dataset that is not there", async () => {
  await using chain = await testChain();
  assertEquals(await refusal(chain.core.sql`select strata.unmanage('nothing')`), {
    code: "ST011",
    message: 'there is no dataset "nothing"',
    hint: "select name from strata.datasets; strata.manage() adds one.",
  });
});

Deno.test("unmanage() lets go of a table that is somebody else's by now", async () => {
  await using chain = await testChain({ tiers: ["core"] });
  const { core } = chain;
  await manageNotes(core.sql);
  await core.sql.unsafe(`
    create function public.keeps() returns trigger language plpgsql as 'begin return old; end';
    create trigger keeps before delete on public.notes for each row execute function public.keeps();
    select strata.manage('public.notes', p_delete_triggers => 'skip')`);
  const admin = connectLocally(await testCluster("core"), core.name);
  await admin`alter table public.notes owner to strata_mover`;
  await admin.end();
  assertEquals((await refusal(core.sql`select strata.manage('public.notes')`)).code, "ST010");
  await core.sql`select strata.hold('notes', p_key => array['1'], p_reason => 'a reason')`;
  await core.sql`select strata.unmanage('notes')`;
  assertEquals([...await core.sql`select from strata.datasets`], []);
});
