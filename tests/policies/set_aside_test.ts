import { assertEquals } from "@std/assert";
import { testDatabase } from "../support/database.ts";
import { type TestChain, testChain } from "../support/chain.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNote, idsOn, manageNotes, settle } from "../support/notes.ts";

const NOW = "2026-03-01T12:00:00Z";

/** Notes 1 and 2 are due on core; main already has another note 1. */
async function chainWithConflict(): Promise<TestChain> {
  const chain = await testChain({ tiers: ["core", "main"] });
  const { core, main } = chain;
  await chain.freezeClock(NOW);
  await manageNotes(core.sql, { core_retention_days: 0 });
  await settle(chain);
  await addNote(core.sql, 1, "2026-02-01", "ours");
  await addNote(core.sql, 2, "2026-02-01", "ours");
  await addNote(main.sql, 1, "2026-02-01", "theirs");
  return chain;
}

Deno.test("a row that cannot move is set aside with its reason and its remedy, others go on", async () => {
  await using chain = await chainWithConflict();
  const { core, main } = chain;
  await settle(chain);
  assertEquals(await idsOn(core.sql), [1]);
  assertEquals([...await main.sql`select id, body from public.notes order by id`], [
    { id: 1, body: "theirs" },
    { id: 2, body: "ours" },
  ]);
  assertEquals([...await core.sql`select * from strata.set_aside`], [{
    dataset: "notes",
    key: ["1"],
    code: "ST040",
    says: "main holds another row under this key",
    remedy: "nothing was overwritten: compare the two (deno task strata explain), and delete one " +
      "of them, or give it another key, on its tier; the rest follows by itself",
    attempts: 1,
    first_at: new Date(NOW),
    last_at: new Date(NOW),
    next_try_at: new Date("2026-03-01T12:15:00Z"),
  }]);
});

Deno.test("a row that is set aside is left alone until its pause is over, then tried again", async () => {
  await using chain = await chainWithConflict();
  const { core, main } = chain;
  await settle(chain);
  await main.sql`delete from public.notes where id = 1`;
  await chain.freezeClock("2026-03-01T12:14:59Z");
  await settle(chain);
  assertEquals(await idsOn(core.sql), [1]);

  await chain.freezeClock("2026-03-01T12:15:00Z");
  await settle(chain);
  assertEquals(await idsOn(core.sql), []);
  assertEquals([...await core.sql`select from strata.set_aside`], []);
});

Deno.test("a row that fails again waits twice as long", async () => {
  await using chain = await chainWithConflict();
  await settle(chain);
  await chain.freezeClock("2026-03-01T13:00:00Z");
  await settle(chain);
  const [aside] = await chain.core
    .sql`select attempts, first_at, next_try_at from strata.set_aside`;
  assertEquals(aside, {
    attempts: 2,
    first_at: new Date(NOW),
    next_try_at: new Date("2026-03-01T13:30:00Z"),
  });
});

Deno.test("pauses double from 15 minutes to 64 hours, and grow no more", async () => {
  await using db = await testDatabase();
  const pauses = [];
  for (let attempt = 1; attempt <= 11; attempt++) {
    await db.sql`select strata.put_aside('notes', '{1}', 'ST040', 'another row')`;
    const [aside] = await db.sql`
      select extract(epoch from next_try_at - last_at)::int / 60 as minutes from strata.set_aside`;
    pauses.push(aside?.minutes);
  }
  assertEquals(pauses, [15, 30, 60, 120, 240, 480, 960, 1920, 3840, 3840, 3840]);
});

Deno.test("a look at rows set aside that meets a move which takes one back goes on", async () => {
  await using chain = await chainWithConflict();
  const { core } = chain;
  await settle(chain);
  const mover = await core.connect({ max: 1 }).reserve();
  await mover`begin`;
  await mover`delete from strata.set_aside`; // the row has moved, which is not committed yet
  const looker = core.connect({ max: 1 });
  const [{ pid } = { pid: 0 }] = await looker<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const look = looker`select strata.settle_aside()`.then(() => "done", (error) => `${error}`);
  await waitFor("the look to wait for the move", async () => {
    const [found] = await core.sql`
      select from pg_stat_activity where pid = ${pid} and wait_event_type = 'Lock'`;
    return found !== undefined;
  });
  await mover`commit`;
  mover.release();
  assertEquals(await look, "done");
  assertEquals((await core.sql`select from strata.aside_seen`).length, 0);
});
