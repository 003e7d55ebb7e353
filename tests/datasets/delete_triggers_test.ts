import { assertEquals, assertNotEquals } from "@std/assert";
import type { Sql } from "postgres";
import { type TestChain, testChain } from "../support/chain.ts";
import { testDatabase } from "../support/database.ts";
import { addNote, createNotes, idsOn, manage, settle, troubleOf } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";

/** Writes every deleted note down in public.deleted. */
const LOGGING = `
  create table public.deleted (id int);
  create function public.log_deleted() returns trigger language plpgsql set search_path = '' as
    'begin insert into public.deleted values (old.id); return old; end';`;

const TRIGGERS: [string, string][] = [
  ["plain", "create trigger sweep after delete on public.notes for each row"],
  ["before the delete", "create trigger sweep before delete on public.notes for each row"],
  [
    "with a condition",
    "create trigger sweep after delete on public.notes for each row when (old.id > 1)",
  ],
  [
    "with a condition of several parts",
    `create trigger sweep after delete on public.notes for each row
       when (old.id > 1 and old.body is distinct from 'a and (b)' or old.created_at is null)`,
  ],
  [
    "with a condition that is joined by and",
    "create trigger sweep after delete on public.notes for each row when (old.id > 1 and old.id < 9)",
  ],
  ["on a statement", "create trigger sweep after delete on public.notes for each statement"],
  [
    "on a statement with a table of its rows",
    "create trigger sweep after delete on public.notes referencing old table as gone",
  ],
  ["on insert as well", "create trigger sweep after insert or delete on public.notes for each row"],
  [
    "on updates of a column as well",
    "create trigger sweep before update of body or delete on public.notes for each row",
  ],
  [
    "with a name to quote",
    `create trigger "When ""it's"" deleted" after delete on public.notes for each row`,
  ],
  [
    "deferred to the commit",
    `create constraint trigger sweep after delete on public.notes
       deferrable initially deferred for each row when (old.id > 1)`,
  ],
];

/** Everything there is to know about the triggers of table notes. */
async function triggers(sql: Sql) {
  return [
    ...await sql`
    select pg_get_triggerdef(oid) as definition, tgenabled, obj_description(oid, 'pg_trigger') as says
      from pg_trigger where tgrelid = 'public.notes'::regclass and not tgisinternal order by tgname`,
  ];
}

for (const [what, trigger] of TRIGGERS) {
  Deno.test(`a delete trigger ${what} is guarded, and given back exactly as it was`, async () => {
    await using db = await testDatabase("core");
    await db.sql`select strata.become('core')`;
    await createNotes(db.sql);
    await db.sql.unsafe(`${LOGGING} ${trigger} execute function public.log_deleted('x')`);
    const before = await triggers(db.sql);

    await manage(db.sql, "public.notes", { delete_triggers: "skip" });
    const guarded = await triggers(db.sql);
    await manage(db.sql, "public.notes", { delete_triggers: "skip" });
    const again = await triggers(db.sql);
    await db.sql`select strata.unmanage('notes')`;

    assertNotEquals(guarded, before);
    assertEquals(again, guarded);
    assertEquals(await triggers(db.sql), before);
  });
}

for (const mode of ["enable always", "enable replica"]) {
  Deno.test(`a trigger in mode "${mode}" keeps it, and its comment`, async () => {
    await using db = await testDatabase("core");
    await db.sql`select strata.become('core')`;
    await createNotes(db.sql);
    await db.sql.unsafe(`${LOGGING}
      create constraint trigger sweep after delete on public.notes
        for each row execute function public.log_deleted();
      comment on trigger sweep on public.notes is 'so that nothing is lost';
      alter table public.notes ${mode} trigger sweep`);
    const [before] = await triggers(db.sql);
    await manage(db.sql, "public.notes", { delete_triggers: "skip" });
    const [guarded] = await triggers(db.sql);
    assertEquals({ ...guarded, definition: "" }, { ...before, definition: "" });
    await db.sql`select strata.unmanage('notes')`;
    assertEquals(await triggers(db.sql), [before]);
  });
}

Deno.test("a trigger that looks at strata.purging by itself needs no decision and is left alone", async () => {
  await using db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  await createNotes(db.sql);
  await db.sql.unsafe(`${LOGGING} create trigger sweep after delete on public.notes for each row
    when (current_setting('strata.purging', true) is distinct from 'on')
    execute function public.log_deleted()`);
  const before = await triggers(db.sql);
  await manage(db.sql, "public.notes");
  await manage(db.sql, "public.notes", { delete_triggers: "skip" });
  assertEquals(await triggers(db.sql), before);
  await db.sql`select strata.unmanage('notes')`;
  assertEquals(await triggers(db.sql), before);
});

/** A chain in which core's notes have a delete trigger and one of them is due. */
async function chainWithTrigger(delete_triggers: string): Promise<TestChain> {
  const chain = await testChain();
  const { sql } = chain.core;
  await createNotes(sql);
  await sql.unsafe(`${LOGGING} create trigger sweep after delete on public.notes
    for each row execute function public.log_deleted()`);
  await manage(sql, "public.notes", { delete_triggers, core_retention_days: 30 });
  await addNote(sql, 1, "2000-01-01");
  await addNote(sql, 2, "2999-01-01");
  return chain;
}

Deno.test("'skip': the trigger looks away from a move and still sees its owner's deletions", async () => {
  await using chain = await chainWithTrigger("skip");
  const { core } = chain;
  await settle(chain);
  assertEquals(await idsOn(core.sql), [2]);
  assertEquals(await idsOn(core.sql, "public.deleted"), []);

  await core.sql`delete from public.notes`;
  assertEquals(await idsOn(core.sql, "public.deleted"), [2]);
});

Deno.test("'fire': the trigger sees a move as well", async () => {
  await using chain = await chainWithTrigger("fire");
  await settle(chain);
  assertEquals(await idsOn(chain.core.sql, "public.deleted"), [1]);
});

Deno.test("'fire' after 'skip' gives the trigger back", async () => {
  await using chain = await chainWithTrigger("skip");
  const { core } = chain;
  await manage(core.sql, "public.notes", { delete_triggers: "fire", core_retention_days: 30 });
  await settle(chain);
  assertEquals(await idsOn(core.sql, "public.deleted"), [1]);
});

Deno.test("a decision made once stands when the policy changes without repeating it", async () => {
  await using chain = await chainWithTrigger("skip");
  const { core } = chain;
  await manage(core.sql, "public.notes", { core_retention_days: 20 });
  await settle(chain);
  assertEquals(await idsOn(core.sql), [2]);
  assertEquals(await idsOn(core.sql, "public.deleted"), []);
});

Deno.test("a delete trigger made later stops the dataset until it is decided about", async () => {
  await using chain = await chainWithTrigger("skip");
  const { core } = chain;
  await core.sql`
    create trigger later after delete on public.notes for each row
      execute function public.log_deleted()`;
  await settle(chain);
  assertEquals(await idsOn(core.sql), [1, 2]);
  const trouble = await troubleOf(core.sql);
  assertEquals(trouble?.code, "ST013");
  assertEquals(trouble?.says, "claim: public.notes has triggers that fire on delete: later");

  await manage(core.sql, "public.notes", { core_retention_days: 30 }); // 'skip' still stands
  await core.sql`call strata.move_due(p_dataset => 'notes')`;
  assertEquals(await idsOn(core.sql), [2]);
});

Deno.test("a trigger that was disabled meanwhile is given back too, still disabled", async () => {
  await using db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  await createNotes(db.sql);
  await db.sql.unsafe(`${LOGGING} create trigger sweep after delete on public.notes
    for each row execute function public.log_deleted()`);
  const [before] = await triggers(db.sql);
  await manage(db.sql, "public.notes", { delete_triggers: "skip" });
  await db.sql`alter table public.notes disable trigger sweep`;
  await db.sql`select strata.unmanage('notes')`;
  assertEquals(await triggers(db.sql), [{ ...before, tgenabled: "D" }]);
});

Deno.test("a disabled delete trigger needs no decision", async () => {
  await using db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  await createNotes(db.sql);
  await db.sql.unsafe(`${LOGGING} create trigger sweep after delete on public.notes
    for each row execute function public.log_deleted()`);
  assertEquals((await refusal(manage(db.sql, "public.notes"))).code, "ST013");
  await db.sql`alter table public.notes disable trigger sweep`;
  assertEquals(await manage(db.sql, "public.notes"), "notes");
});
