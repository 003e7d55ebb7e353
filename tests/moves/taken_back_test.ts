/** A row that its owner deletes in mid-move does not come back, whatever happens to its copy meanwhile. */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { testChain } from "../support/chain.ts";
import { testDatabase } from "../support/database.ts";
import {
  addNotes,
  endPauses,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  runOnce,
  settle,
  startJourney,
} from "../support/moves.ts";
import { moverPassword } from "../support/stack.ts";

const PUSH = { drivers: ["push"] } as const;
const TABLE =
  "create table public.notes (id bigint primary key, created_at timestamptz not null, body text";

/** Core deletes a row between its proof and its purge, something happens on main, and the move ends. */
async function deletedInMidMove(
  chain: MoveChain,
  { id = 2, meanwhile }: { id?: number; meanwhile?: (main: Sql) => Promise<unknown> } = {},
): Promise<void> {
  const journey = await startJourney(chain);
  await journey.until("purge");
  await chain.core.sql`delete from public.notes where id = ${id}`;
  await meanwhile?.(chain.main.sql);
  await journey.until("finish");
  for (let run = 0; run < 3; run++) {
    await endPauses(chain);
    await runOnce(chain);
  }
  assert.ok(!(await idsOf(chain.main)).includes(id), `row ${id} lives on main`);
}

moveTest("a copy is taken back from a partition", async (chain) => {
  await chain.main.sql.unsafe(`${TABLE}) partition by range (id);
    create table public.notes_0 partition of public.notes for values from (0) to (41);
    create table public.notes_1 partition of public.notes for values from (41) to (1000)`);
  await makeNotes(chain.core, 40);
  await settle(chain);
  await addNotes(chain.core.sql, 41, 50);
  await deletedInMidMove(chain, { id: 42 });
});

moveTest("a copy that is taken back from a partition is taken out of the book", async (chain) => {
  const { core, main } = chain;
  await main.sql.unsafe(
    `${TABLE}, words text generated always as (upper(body)) stored) partition by range (id);
    create table public.notes_0 partition of public.notes for values from (0) to (3);
    create table public.notes_1 partition of public.notes for values from (3) to (1000)`,
  );
  await makeNotes(core, 4);
  const journey = await startJourney(chain);
  await journey.until("purge");
  await core.sql`delete from public.notes where id in (2, 3)`;
  await journey.until("finish");
  assert.deepEqual(await idsOf(main), [1, 4]);
  const [book] = await main.sql`select sum(came)::int as came from strata.books`;
  assert.equal(book?.came, 2);
}, PUSH);

/** Insert triggers of main's after which a row is not where, or what version, it was put. */
const TRIGGERS: Record<string, string> = {
  "puts rows into a child": `${TABLE});
    create table public.notes_old () inherits (public.notes);
    create function public.sort() returns trigger language plpgsql as $$ begin
      insert into public.notes_old select new.*; return null; end $$;
    create trigger sort before insert on public.notes for each row execute function public.sort()`,
  "fills a column of main's own": `${TABLE}, words text);
    create function public.fill() returns trigger language plpgsql as $$ begin
      begin update public.notes set words = upper(body) where id = new.id;
      exception when division_by_zero then null; end;
      return null; end $$;
    create trigger fill after insert on public.notes for each row execute function public.fill()`,
};

for (const [does, ddl] of Object.entries(TRIGGERS)) {
  moveTest(`a copy is taken back where a trigger ${does}`, async (chain) => {
    await chain.main.sql.unsafe(ddl);
    await makeNotes(chain.core, 3);
    await deletedInMidMove(chain);
  }, PUSH);
}

/** What main may do to its rows while the arrival is open, their content unchanged. */
const MEANWHILE: Record<string, { own?: string; happens: (main: Sql) => Promise<unknown> }> = {
  "a column of main's own is filled": {
    own: "words text",
    happens: (main) => main`update public.notes set words = upper(body) where id > 0`,
  },
  "a column is added with a rewrite": {
    happens: (main) =>
      main`alter table public.notes add column mine uuid default gen_random_uuid()`,
  },
  "the rows are written anew": {
    happens: async (main) => {
      await main`create table public.kept as select * from public.notes`;
      await main`delete from public.notes where id > 0`;
      await main`insert into public.notes select * from public.kept`;
    },
  },
};

for (const [what, { own, happens }] of Object.entries(MEANWHILE)) {
  moveTest(`a copy is taken back though ${what}`, async (chain) => {
    if (own !== undefined) await chain.main.sql.unsafe(`${TABLE}, ${own})`);
    await makeNotes(chain.core, 3);
    await deletedInMidMove(chain, { meanwhile: happens });
  });
}

moveTest("one table whose key was renamed does not stop the upkeep", async ({ core }) => {
  await core.sql`create table public.other (id bigint primary key, created_at timestamptz)`;
  await core.sql`select strata.manage('public.other')`;
  await core.sql`select strata.put_aside('other', array['1'], '23502', 'x')`;
  await core.sql`alter table public.other rename column id to ident`;
  await core.sql`call strata.upkeep()`;
  assert.equal((await core.sql`select from strata.set_aside`).length, 1);
}, PUSH);

moveTest("a hold released on main stays released after upkeep", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core, 0);
  await core.sql`insert into public.notes values (1, now(), 'young')`;
  await core.sql`select strata.hold('notes', array['1'], p_reason => 'x', p_prevents => 'delete')`;
  await settle(chain);
  await main.sql`select strata.release(hold_id) from strata.holds`;
  await main.sql`call strata.upkeep()`;
  await core.sql`select strata.manage('public.notes', p_core_retention_days => 12)`;
  await core.sql`update public.notes set created_at = now() - interval '60 days' where id = 1`;
  await settle(chain);
  assert.deepEqual([...await main.sql`select key from strata.holds where released_at is null`], []);
}, PUSH);

interface End {
  tier: string;
  url: string;
  sql: Sql;
}

async function join(hotter: End, colder: End): Promise<void> {
  const { hostname, port, pathname } = new URL(colder.url);
  await colder.sql`select strata.join_tier(p_tier => ${hotter.tier}, p_driver => 'push')`;
  await hotter.sql`select strata.join_tier(p_tier => ${colder.tier}, p_driver => 'push',
    p_host => ${hostname}, p_port => ${Number(port)}, p_database => ${pathname.slice(1)},
    p_password => ${await moverPassword()})`;
}

Deno.test("main comes between core and archive, and what is on its way goes on", async () => {
  await using made = await testChain({ driver: "push", tiers: ["core", "archive"] });
  const chain: MoveChain = Object.assign(made, { driver: "push" as const });
  const { core, archive } = chain;
  await makeNotes(core, 3);
  await settle(chain);
  await using main = await testDatabase("main");
  await main.sql`select strata.become(p_tier => 'main', p_is_last => false)`;
  await join(core, main);
  await join(main, archive);
  await core.sql`
    insert into public.notes select id, now() - interval '400 days', 'old' from generate_series(11, 13) as id`;
  const three: MoveChain = {
    driver: "push",
    databases: [core, main, archive],
    core,
    main,
    archive,
    freezeClock: (at) => chain.freezeClock(at),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  for (let run = 0; run < 4; run++) {
    await endPauses(three);
    await runOnce(three);
  }
  assert.deepEqual(await idsOf(archive), [1, 2, 3, 11, 12, 13]);
});
