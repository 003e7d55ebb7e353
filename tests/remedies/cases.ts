/** The troubles whose remedies are followed, by the code of the error or the kind of the condition. */
import { addNote } from "../support/notes.ts";
import { OTHERS } from "./agreement_cases.ts";
import { addNotes, type Case } from "./support.ts";
import { TWINS } from "./twin_cases.ts";

const changes = `create function public.changes() returns trigger language plpgsql as
  $$ begin new.body := upper(new.body); return new; end $$`;
const raises = `create function public.raises() returns trigger language plpgsql as
  $$ begin raise exception 'not this one'; end $$`;

const keeps = `create function public.keeps() returns trigger language plpgsql as
  $$ begin return null; end $$`;
const guard = (when: string, does: string) =>
  `create trigger guard before ${when} on public.notes for each row execute function public.${does}()`;

/** Runs statements on main, then has a note come. */
const onMain = (...statements: string[]): Case["make"] => async (chain) => {
  for (const one of statements) await chain.main.sql.unsafe(one);
  await addNotes(chain, 4);
};
const dropTrigger: Case["act"] = ({ main }) =>
  main.sql.unsafe("drop trigger guard on public.notes");

/** By SQLSTATE, or its class. */
export const ERRORS: Record<string, Case> = {
  ST004: {
    kind: "link_down",
    make: ({ main }) => main.sql`revoke usage on schema strata from strata_mover`,
    act: ({ main }) => main.sql`select strata.become('main')`, // what setup --init does there
  },
  ST020: { kind: "stands_still", make: onMain("drop table public.notes"), on: "main" },
  ST021: {
    kind: "stands_still",
    make: onMain("alter table public.notes drop column body"),
    on: "main",
    fill: ["body text"],
  },
  ST022: {
    kind: "stands_still",
    make: onMain("alter table public.notes alter column body type varchar(900)"),
    on: "main",
    fill: ["body", "text"],
  },
  ST023: {
    kind: "stands_still",
    async make(chain) {
      await chain.core.sql`alter table public.notes drop column body`;
      await chain.core.sql`insert into public.notes (id, created_at) values (4, '2020-01-01')`;
    },
    on: "main",
    fill: ["body"],
  },
  ST024: {
    kind: "stands_still",
    make: onMain(
      "alter table public.notes drop constraint notes_pkey, add constraint other unique (id)",
    ),
    on: "main",
    fill: ["notes_pkey", "id"],
  },
  ST025: {
    kind: "stands_still",
    async make(chain) {
      await chain.main.sql`alter table public.notes add column extra text not null default 'x'`;
      await chain.main.sql`alter table public.notes alter column extra drop default`;
      await addNotes(chain, 4);
    },
    on: "main",
    fill: ["extra"],
  },
  ST027: {
    kind: "stands_still",
    make: onMain("alter table public.notes set unlogged"),
    on: "main",
  },
  ...TWINS,
  ST013: {
    kind: "stands_still",
    async make(chain) {
      await chain.core.sql.unsafe(keeps);
      await chain.core.sql.unsafe(guard("delete", "keeps"));
      await addNotes(chain, 4);
    },
    act: ({ core }) =>
      core.sql`
        select strata.manage('public.notes', p_core_retention_days => 0, p_delete_triggers => 'skip')`,
  },
  ST028: {
    kind: "stands_still",
    async make(chain) {
      await chain.core.sql`
        select strata.manage('public.notes', p_core_retention_days => 0, p_delete_after_days => 20000,
                             p_due_when => 'exists (select from pg_catalog.pg_class)')`;
      await addNotes(chain, 4);
    },
    on: "main",
  },
  ST043: {
    kind: "row_set_aside",
    async make(chain) {
      await chain.core.sql.unsafe(keeps);
      await chain.core.sql.unsafe(guard("delete", "keeps"));
      await chain.core.sql`
        select strata.manage('public.notes', p_core_retention_days => 0, p_delete_triggers => 'fire')`;
      await addNotes(chain, 4);
    },
    act: ({ core }) => core.sql`drop trigger guard on public.notes`,
  },
  ST051: { ...OTHERS.policy_lost!, kind: "stands_still" },
  ST040: {
    kind: "row_set_aside",
    async make(chain) {
      await addNote(chain.main.sql, 4, "2020-01-01", "theirs");
      await addNotes(chain, 4);
    },
    act: ({ main }) => main.sql`delete from public.notes where id = 4`,
  },
  ST042: {
    kind: "row_set_aside",
    make: onMain(changes, guard("insert", "changes")),
    act: dropTrigger,
  },
  ST015: {
    kind: "row_set_aside",
    make: onMain(
      "create function public.counts(t text) returns boolean language plpgsql as $$ " +
        "begin if t is not null then raise 'gone' using errcode = '08006'; end if; return true; end $$",
      "alter table public.notes add constraint number check " +
        "(id < 4 or public.counts(body))",
    ),
    act: ({ main }) =>
      main.sql`create or replace function public.counts(t text) returns boolean language plpgsql
        as $$ begin return true; end $$`,
  },
  "3F": {
    kind: "stands_still",
    async make({ core: { sql } }) {
      await sql`create schema shop`;
      await sql`create table shop.bills (id int primary key, created_at timestamptz)`;
      await sql`select strata.manage('shop.bills')`;
      await sql`drop schema shop cascade`;
    },
    on: "core",
  },
  "54": {
    kind: "row_set_aside",
    async make(chain) {
      await chain.main.sql`create index long_ones on public.notes (body)`;
      await chain.core.sql`insert into public.notes (id, created_at, body)
        select 4, '2020-01-01', string_agg(md5(g::text), '') from generate_series(1, 500) as g`;
    },
    act: ({ main }) => main.sql`drop index public.long_ones`,
  },
  XX: {
    kind: "row_set_aside",
    make: onMain(
      "create function public.counts(t text) returns boolean language plpgsql as $$ " +
        "begin raise 'no geometry' using errcode = 'XX000'; end $$",
      "alter table public.notes add constraint number check (id < 4 or public.counts(body))",
    ),
    act: ({ main }) =>
      main.sql`create or replace function public.counts(t text) returns boolean language sql
        return true`,
  },
  "22": {
    kind: "row_set_aside",
    make: onMain(
      "create function public.counts(t text) returns boolean immutable language sql " +
        "return t::integer > 0",
      "alter table public.notes add constraint number check " +
        "(id < 4 or public.counts(body))",
    ),
    act: ({ main }) => main.sql`alter table public.notes drop constraint number`,
  },
  "23": {
    kind: "row_set_aside",
    make: onMain("alter table public.notes add constraint short check (id < 4)"),
    on: "main",
    fill: ["short"],
  },
  P0: {
    kind: "row_set_aside",
    make: onMain(raises, guard("insert", "raises")),
    act: dropTrigger,
  },
  "42P01": {
    kind: "stands_still",
    make: ({ core }) => core.sql`drop table public.notes`,
    on: "core",
    // its twin stays, and is nobody's to fill any more
    act: ({ main }) => main.sql`select strata.unmanage('notes')`,
  },
  "08": {
    kind: "link_down",
    make: ({ core }) => core.sql.unsafe("alter server strata_main options (set port '9')"),
    act: ({ core, main }) =>
      core.sql.unsafe(
        `alter server strata_main options (set port '${new URL(main.url).port}')`,
      ),
  },
};

/** By the kind of the alert. */
export const CONDITIONS: Record<string, Case> = {
  ...OTHERS,
  stands_still: ERRORS["ST027"]!,
  link_down: ERRORS["08"]!,
  row_set_aside: ERRORS["23"]!,
  not_as_set_up: {
    kind: "not_as_set_up",
    make: ({ main }) =>
      main.sql`revoke execute on function strata.accept(jsonb, text) from strata_mover`,
    on: "main",
  },
  key_overdue: {
    kind: "key_overdue",
    make: ({ core }) =>
      core.sql`select strata.note_key('mine', strata.clock() - interval '91 days')`,
    on: "core",
  },
  failed_moves: {
    kind: "failed_moves",
    async make(chain) {
      await chain.core.sql`update strata.settings set value = 1 where name = 'failed_moves'`;
      await chain.main.sql`alter table public.notes set unlogged`;
      await addNotes(chain, 4);
      for (let n = 0; n < 3; n += 1) {
        await chain.core.sql`select strata.end_pauses()`;
        await chain.core.sql`call strata.move_due()`;
      }
    },
    on: "main",
  },
  audit_mismatch: {
    kind: "audit_mismatch",
    async make({ core, main }) {
      await core.sql`call strata.audit()`;
      await main.sql`delete from public.notes where id = 1`;
      await core.sql`select strata.audit_anew()`;
      await core.sql`call strata.audit()`;
    },
    act: ({ core }) => core.sql`select strata.accept_audit('notes')`,
  },
  cost: {
    kind: "cost",
    make: ({ core }) =>
      core.sql`
        insert into strata.costs (at, kind, service, item, units, credits, usd, worth, state)
        values (strata.clock(), 'briefing', 'elevenlabs', 'eleven_v3', 150, 150, 0.015, 0.015, 'settled')`,
    act: ({ core }) =>
      core.sql`update strata.settings set value = 20000 where name = 'cost_per_day'`,
  },
  login_changed: {
    kind: "login_changed",
    make: ({ main }) =>
      main.sql`insert into strata.rotations values ('core', strata.clock() - interval '2 hours')`,
    act: ({ main }) => main.sql`delete from strata.rotations where true`, // setup --rotate, at its end
  },
};
