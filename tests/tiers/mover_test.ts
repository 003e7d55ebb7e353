import { assertEquals } from "@std/assert";
import { scramVerifier } from "../../cli/lib/scram.ts";
import { testDatabase } from "../support/database.ts";
import { manageNotes } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";
import { moverPassword } from "../support/stack.ts";

/** What the other end of a link calls, and nothing besides. */
const PROTOCOL = [
  "abandon_arrivals",
  "accept",
  "book_stock",
  "claim",
  "claimed_keys",
  "close_arrival",
  "close_move",
  "conflicts",
  "datasets_with_work",
  "describe",
  "end_conflicts",
  "exchange_agreements",
  "exchange_heartbeats",
  "hand_over",
  "heartbeat",
  "hello",
  "keys_here",
  "keys_page",
  "ledger_entry",
  "ledger_months",
  "look_for",
  "move_mark",
  "not_open",
  "note_beyond",
  "note_failure",
  "note_forgotten",
  "note_told",
  "offer",
  "open_arrivals",
  "passed_page",
  "prove",
  "purge",
  "receive",
  "retire_login",
  "rotate_login",
  "share_now",
  "still_here",
  "stock_months",
  "take_over",
  "take_stock",
];

Deno.test("strata_mover may execute the functions of the protocol and no others", async () => {
  await using db = await testDatabase();
  const rows = await db.sql<{ name: string }[]>`
    select distinct p.proname as name from pg_proc as p
     where p.pronamespace = 'strata'::regnamespace
       and has_function_privilege('strata_mover', p.oid, 'execute') order by name`;
  assertEquals(rows.map(({ name }) => name), PROTOCOL);
});

Deno.test("what strata_mover may execute acts with its owner's rights", async () => {
  await using db = await testDatabase();
  const rows = await db.sql`
    select p.oid::regprocedure as name from pg_proc as p
     where p.pronamespace = 'strata'::regnamespace and not p.prosecdef
       and p.proname not in ('hand_over', 'take_over') -- which keep a value in the caller's own session
       and has_function_privilege('strata_mover', p.oid, 'execute')`;
  assertEquals([...rows], []);
});

Deno.test("strata_mover reads and writes no table, neither Strata's nor a managed one", async () => {
  await using db = await testDatabase();
  await db.sql`select strata.become('core')`;
  await manageNotes(db.sql);
  const rows = await db.sql`
    select c.oid::regclass as name from pg_class as c
     where c.relnamespace in ('strata'::regnamespace, 'public'::regnamespace)
       and c.relkind in ('r', 'v', 'm', 'f', 'p', 'S')
       and case c.relkind when 'S' then has_sequence_privilege('strata_mover', c.oid, 'usage, select, update')
           else has_table_privilege('strata_mover', c.oid, 'select, insert, update, delete, truncate') end`;
  assertEquals([...rows], []);

  const mover = db.connect({ username: "strata_mover_main", password: await moverPassword() });
  assertEquals((await refusal(mover`select * from strata.datasets`)).code, "42501");
  assertEquals((await refusal(mover`select * from public.notes`)).code, "42501");
  assertEquals((await refusal(mover`select strata.become('main')`)).code, "42501");
});

Deno.test("strata_mover is a group, in no other one, and has no power of its own", async () => {
  await using db = await testDatabase();
  const [role] = await db.sql`
    select rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as mighty,
           (select count(*)::int from pg_auth_members as m where m.member = r.oid) as memberships
      from pg_roles as r where rolname = 'strata_mover'`;
  assertEquals(role, { mighty: false, memberships: 0 });
});

for (const limit of [0, null]) {
  Deno.test(`set_mover_login() refuses ${limit} connections`, async () => {
    await using db = await testDatabase();
    const verifier = await scramVerifier(await moverPassword());
    const { code, hint } = await refusal(
      db.sql`select strata.set_mover_login('main', ${verifier}, ${limit})`,
    );
    assertEquals(code, "ST004");
    assertEquals(hint, "Give the number of connections the neighbour may hold here at once.");
  });
}
