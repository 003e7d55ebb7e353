/** Who owns a table must not get more rights than they have because Strata writes to it. */
import assert from "node:assert/strict";
import { refusal } from "../support/refusal.ts";
import { testDatabase } from "../support/database.ts";

const TABLE =
  "create table public.letters (id integer primary key, created_at timestamptz not null, body text)";
const TRIGGER_FUNCTION =
  `create function public.steal() returns trigger language plpgsql as $$ begin return old; end $$`;
const FUNCTION =
  `create function public.steal(p_text text) returns boolean language sql immutable as 'select true'`;

/** What somebody else's function may be made to run by. */
const RUNS: Record<string, string[]> = {
  "a delete trigger": [
    TRIGGER_FUNCTION,
    "create trigger t before delete on public.letters for each row execute function public.steal()",
  ],
  "an insert trigger": [
    TRIGGER_FUNCTION,
    "create trigger t before insert on public.letters for each row execute function public.steal()",
  ],
  "a check": [FUNCTION, "alter table public.letters add check (public.steal(body))"],
  "a default": [FUNCTION, "alter table public.letters add x boolean default public.steal('x')"],
  "a generated column": [
    FUNCTION,
    "alter table public.letters add x boolean generated always as (public.steal(body)) stored",
  ],
  "an index": [FUNCTION, "create index on public.letters (public.steal(body))"],
  "a partial index": [FUNCTION, "create index on public.letters (id) where public.steal(body)"],
  "a policy": [FUNCTION, "create policy p on public.letters using (public.steal(body))"],
  "a trigger's condition": [
    FUNCTION,
    "create function public.nothing() returns trigger language plpgsql as 'begin return old; end'",
    "create trigger t before delete on public.letters for each row when (public.steal(old.body)) execute function public.nothing()",
  ],
  "an operator": [
    "create function public.steal(p_one text, p_two text) returns boolean language sql immutable as 'select true'",
    "create operator public.%% (leftarg = text, rightarg = text, function = public.steal)",
    "alter table public.letters add check (body operator(public.%%) 'x')",
  ],
  "a domain over a domain": [
    FUNCTION,
    "create domain public.d as text check (public.steal(value))",
    "create domain public.e as public.d",
    "alter table public.letters add x public.e",
  ],
  "an array of a domain": [
    FUNCTION,
    "create domain public.d as text check (public.steal(value))",
    "alter table public.letters add x public.d[]",
  ],
  "an attribute of a type": [
    FUNCTION,
    "create domain public.d as text check (public.steal(value))",
    "create type public.c as (x public.d)",
    "alter table public.letters add x public.c",
  ],
  "a domain's check": [
    FUNCTION,
    "create domain public.d as text check (public.steal(value))",
    "alter table public.letters add x public.d",
  ],
};

for (const [what, statements] of Object.entries(RUNS)) {
  Deno.test(`a table on which ${what} runs a function somebody else can replace is refused`, async () => {
    await using db = await testDatabase();
    await db.sql.unsafe(`${TABLE}; ${statements.join("; ")}`);
    await db.sql`select strata.become('core')`;
    const manage = () =>
      db.sql`select strata.manage('public.letters', p_delete_triggers => 'fire')`;
    const [function_] = await db.sql<{ name: string }[]>`
      select p.oid::regprocedure::text as name from pg_proc as p where p.proname = 'steal'`;
    await db.sql.unsafe(`grant create on schema public to service_role`);
    await db.sql.unsafe(`grant service_role to postgres`);
    await db.sql.unsafe(`alter function ${function_?.name} owner to service_role`);
    const { code, message, hint } = await refusal(manage());
    assert.equal(code, "ST010");
    assert.match(message, /runs function (public\.)?steal\(.*\), which service_role can replace/);
    const [remedy] = /alter function .*/.exec(hint ?? "") ?? [];
    await db.sql.unsafe(remedy ?? "select 'the remedy names no statement' / 0");
    await manage();
  });
}

Deno.test("a table of somebody else's is refused", async () => {
  await using db = await testDatabase();
  await db.sql.unsafe(
    `${TABLE}; grant create on schema public to service_role; grant service_role to postgres;
    create index on public.letters (created_at); alter table public.letters owner to service_role`,
  );
  await db.sql`select strata.become('core')`;
  const { code, message, hint } = await refusal(db.sql`select strata.manage('public.letters')`);
  assert.equal(code, "ST010");
  assert.match(message, /belongs to service_role, not to postgres/);
  const [remedy] = /alter table .*/.exec(hint ?? "") ?? [];
  await db.sql.unsafe(remedy ?? "select 'the remedy names no statement' / 0");
  await db.sql`select strata.manage('public.letters')`;
});

/** Delete triggers that only read as if they looked away while Strata deletes. */
const PRETENDERS = [
  `create trigger "strata.purging" before delete on public.letters for each row execute function public.steal()`,
  `create trigger t before delete on public.letters for each row execute function public.steal('strata.purging')`,
  `create trigger " FOR EACH ROW WHEN (current_setting('strata.purging'::text)) EXECUTE FUNCTION x"
     before delete on public.letters for each row execute function public.steal()`,
  `create trigger t before delete on public.letters for each row when (old.body <> 'strata.purging') execute function public.steal()`,
];

for (const trigger of PRETENDERS) {
  Deno.test(`a trigger is not guarded by what it is called: ${trigger.slice(15, 50)}`, async () => {
    await using db = await testDatabase();
    await db.sql.unsafe(`${TABLE}; ${TRIGGER_FUNCTION}; ${trigger}`);
    await db.sql`select strata.become('core')`;
    const { code } = await refusal(db.sql`select strata.manage('public.letters')`);
    assert.equal(code, "ST013");
  });
}
