/** A row that another session writes on the colder tier while a batch arrives is that session's. */
import assert from "node:assert/strict";
import {
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  setAsideOn,
  startJourney,
  type Stepper,
} from "../support/moves.ts";
import { waitFor } from "../support/wait_for.ts";

const TABLE =
  "create table public.notes (id bigint primary key, created_at timestamptz not null, body text";

/** Twins whose rows are read back after they were put. */
const TWINS: Record<string, string> = {
  "that computes a column": `${TABLE}, words text generated always as (upper(body)) stored)`,
  "with a trigger": `${TABLE});
    create function public.look() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger look before insert on public.notes for each row execute function public.look()`,
  "whose trigger puts rows into a child": `${TABLE});
    create table public.notes_old (primary key (id)) inherits (public.notes);
    create function public.sort() returns trigger language plpgsql as $$ begin
      insert into public.notes_old select new.* on conflict do nothing; return null; end $$;
    create trigger sort before insert on public.notes for each row execute function public.sort()`,
  "in partitions":
    `${TABLE}, words text generated always as (upper(body)) stored) partition by hash (id);
    create table public.notes_0 partition of public.notes for values with (modulus 1, remainder 0)`,
};

/** Takes the step that copies; meanwhile a session of main's own writes row 2, and commits when the copy waits for it. */
async function copyWhileWritten(
  { core, main }: MoveChain,
  journey: Stepper,
  body: string,
): Promise<void> {
  const [row] = await core.sql`select created_at::text as age from public.notes where id = 2`;
  await journey.until("copy");
  let copied: Promise<void> | undefined;
  await main.sql.begin(async (other) => {
    await other`
      insert into public.notes (id, created_at, body)
      values (2, ${row?.age}::text::timestamptz, ${body})`;
    copied = journey.step();
    await waitFor("the copy to wait for that row", async () => {
      const waiting = await main.sql`
        select from pg_locks as l join pg_stat_activity as a on a.pid = l.pid
         where a.datname = current_database() and l.locktype = 'transactionid' and not l.granted`;
      return waiting.length > 0;
    });
  });
  await copied;
}

for (const [what, twin] of Object.entries(TWINS)) {
  for (const body of ["note 2", "another note"]) {
    moveTest(
      `what a session writes to a twin ${what} is not taken back (${body})`,
      async (chain) => {
        const { core, main } = chain;
        await main.sql.unsafe(twin);
        await makeNotes(core, 3);
        const journey = await startJourney(chain);
        await copyWhileWritten(chain, journey, body);
        await journey.until("purge");
        await core.sql`delete from public.notes where id = 2`;
        await journey.until("finish");
        assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
        const [row] = await main.sql`select body from public.notes where id = 2`;
        assert.equal(row?.body, body);
      },
    );

    moveTest(
      `what a session writes to a twin ${what} is met as other rows (${body})`,
      async (chain) => {
        const { core, main } = chain;
        await main.sql.unsafe(twin);
        await makeNotes(core, 3);
        const journey = await startJourney(chain);
        await copyWhileWritten(chain, journey, body);
        await journey.until("finish");
        await journey.step();
        const isSame = body === "note 2";
        assert.deepEqual([await idsOf(core), await idsOf(main)], [isSame ? [] : [2], [1, 2, 3]]);
        const aside = (await setAsideOn(core)).map(({ key, code }) => [key, code]);
        assert.deepEqual(aside, isSame ? [] : [["2", "ST040"]]);
        const [book] = await main.sql`select sum(came)::int as came from strata.books`;
        assert.equal(book?.came, 2);
      },
    );
  }
}
