/** The troubles whose remedies are followed, by the code of the error or the kind of the condition. */
import { addNote } from "../support/notes.ts";
import { addNotes, type Case } from "./support.ts";

const changes = `create function public.changes() returns trigger language plpgsql as
  $$ begin new.body := upper(new.body); return new; end $$`;
const raises = `create function public.raises() returns trigger language plpgsql as
  $$ begin raise exception 'not this one'; end $$`;

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
    act: ({ main }) => main.sql`alter table public.notes add primary key (id)`,
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
    make: onMain(
      changes,
      "create trigger guard before insert on public.notes " +
        "for each row execute function public.changes()",
    ),
    act: dropTrigger,
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
    make: onMain(
      raises,
      "create trigger guard before insert on public.notes " +
        "for each row execute function public.raises()",
    ),
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

const CALLER = "is told to whoever calls; nothing stays wrong";
const ITSELF = "goes by itself: its remedy is to do nothing";
const SERVER = "a server's hardware or memory would have to fail";
const SHARED =
  "would reach every other test of that server: a file of its own has servers of its own";

/** What cannot be provoked here, and why. */
export const LEFT_OUT: Record<string, string> = {
  ST001: CALLER,
  ST002: CALLER,
  ST003: CALLER,
  ST006: CALLER,
  ST009: CALLER,
  ST011: CALLER,
  ST012: CALLER,
  ST014: CALLER,
  ST028: "tests/conditions",
  ST029: CALLER,
  ST050: CALLER,
  ST060: CALLER,
  ST061: CALLER,
  ST062: CALLER,
  ST080: CALLER,
  ST090: CALLER,
  ST091: CALLER,
  ST092: CALLER,
  ST093: CALLER,
  ST110: CALLER,
  ST111: CALLER,
  ST112: CALLER,
  ST005: ITSELF,
  ST030: ITSELF,
  ST031: ITSELF,
  ST032: ITSELF,
  ST033: ITSELF,
  ST036: ITSELF,
  ST081: ITSELF,
  ST094: ITSELF,
  "40": ITSELF,
  "55": ITSELF,
  "57": ITSELF,
  "53": SERVER,
  "53100": SERVER,
  "54": SERVER,
  "58": SERVER,
  XX: SERVER,
  "28": SHARED,
  "2F003": SHARED,
  "25006": SHARED,
  "53300": SHARED,
  ST007: SHARED,
  ST008: SHARED,
  link_crowded: SHARED,
  ST010: "many causes, each with a hint of its own: tests/datasets/refusals_test.ts",
  ST013: "tests/datasets/delete_triggers_test.ts",
  ST026: "tests/twins/drift_test.ts",
  ST043: "tests/moves/triggers_test.ts",
  ST044: "tests/moves/big_row_test.ts",
  ST045: "tests/moves/refused_delete_test.ts",
  ST065: "tests/attack/excess_test.ts",
  "42501": "tests/alerts/mended_test.ts",
  "42": "tests/moves/refusing_tier_test.ts",
  excess: "tests/attack/excess_test.ts",
  insecure_link: "tests/tiers/link_security_test.ts",
  size_warning: "tests/watch/watch_test.ts",
  size_critical: "tests/drains/drain_test.ts",
  drain_blocked: "tests/drains/choice_test.ts",
  nothing_movable: "tests/drains/choice_test.ts",
  ST041: "the copy would have to vanish between its commit and its proof",
  overdue: "tests/watch/watchdog_test.ts",
  silent: "tests/watch/watchdog_test.ts",
  job_stopped: "tests/watch/watchdog_test.ts",
  forecast: "tests/forecast",
  egress: "tests/quotas",
  average_size: "tests/quotas",
  edge_invocations: "tests/quotas",
  channel_down: "tests/outbox",
  undelivered: "tests/outbox",
  briefing: "tests/briefings",
  cannot_wake: "tests/health/cannot_wake_test.ts",
  not_kept_alive: "tests/health/not_kept_alive_test.ts",
};
