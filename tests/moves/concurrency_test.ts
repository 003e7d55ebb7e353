import assert from "node:assert/strict";
import { moverPassword } from "../support/stack.ts";
import {
  addNotes,
  assertAtPeace,
  DIALLING,
  endPauses,
  endsOfLink,
  idsOf,
  makeNotes,
  moveTest,
  rowsOf,
  runLink,
  setAsideOn,
  settle,
  startJourney,
  waitForLock,
} from "../support/moves.ts";
import { waitFor } from "../support/wait_for.ts";

moveTest("two runs at once over one link do no harm", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core, 200);
  await core.sql`update strata.settings set value = 20 where name = 'batch_rows'`;
  const rows = await rowsOf(core);

  await Promise.all([1, 2, 3].map(() => runLink(chain)));

  assert.deepEqual([await rowsOf(core), (await rowsOf(main)).sort()], [[], rows]);
  await assertAtPeace(chain);
});

moveTest("a run passes a dataset by that another run is at", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core);
  const { driving, driven } = endsOfLink(chain);
  const other = await driving.connect({ max: 1 }).reserve();
  await other`select strata.begin_turn(${`strata move/${driven.tier}/notes`})`;

  await driving.sql`call strata.move_due()`;
  assert.deepEqual(await idsOf(core), [1, 2, 3]);

  await other`select strata.begin_turn(null)`;
  await driving.sql`call strata.move_due()`;
  assert.deepEqual(await idsOf(main), [1, 2, 3]);
}, { drivers: DIALLING });

moveTest(
  "a link that both sides drive, by mistake, rests and says so until that is mended",
  async (chain) => {
    const { core, main } = chain;
    const { driving, driven } = endsOfLink(chain);
    const { hostname, port, pathname } = new URL(driving.url);
    const both = chain.driver === "push" ? "pull" : "push";
    await driven.sql`select strata.join_tier(p_tier => ${driving.tier}, p_driver => ${both},
    p_host => ${hostname}, p_port => ${Number(port)}, p_database => ${pathname.slice(1)},
    p_password => ${await moverPassword()})`;
    await makeNotes(core, 100);
    await core.sql`update strata.settings set value = 10 where name = 'batch_rows'`;
    const rows = await rowsOf(core);

    await Promise.all(
      chain.databases.map(({ connect }) => connect({ max: 1 })`call strata.move_due()`),
    );
    assert.deepEqual(
      await rowsOf(core),
      rows,
      "neither lets the other ask what its driver does not",
    );
    for (const { sql } of chain.databases) {
      const [link] = await sql`select trouble_sqlstate as code from strata.links`;
      assert.equal(link?.code, "ST009");
    }

    await driven
      .sql`select strata.join_tier(p_tier => ${driving.tier}, p_driver => ${chain.driver})`;
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual((await rowsOf(main)).sort(), rows);
    await assertAtPeace(chain);
  },
  { drivers: DIALLING },
);

moveTest(
  "a row that somebody has locked is passed over and set aside; the others go",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core);
    const holder = await core.connect({ max: 1 }).reserve();
    await holder`begin`;
    await holder`select from public.notes where id = 2 for update`;
    const began = performance.now();

    await runLink(chain);

    assert.ok(
      performance.now() - began < 8_000,
      "nobody waits for long",
    );
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);
    const [aside] = await setAsideOn(core);
    assert.deepEqual([aside?.key, aside?.code], ["2", "55P03"]);
    assert.equal(aside?.says, "core could not delete the row: another session has locked it");
    assert.match(aside?.remedy ?? "", /it is tried again/);

    await holder`commit`;
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual(await idsOf(main), [1, 2, 3]);
    await assertAtPeace(chain);
  },
);

moveTest("an update that is not committed yet wins over a move", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core);
  const writer = await core.connect({ max: 1 }).reserve();
  const journey = await startJourney(chain);
  await journey.until("purge");
  await writer`begin`;
  await writer`update public.notes set body = 'edited' where id = 2`;
  const purging = journey.step();
  await waitFor("the purge to meet the writer", async () => {
    const waiting = await core.sql`select from pg_locks where not granted
      and transactionid is not null and pid in (select pid from pg_stat_activity
        where datname = current_database())`;
    return waiting.length > 0;
  }, { everyMs: 5 });
  await writer`commit`;
  await purging;

  await settle(chain);

  const edited = (await rowsOf(main)).filter((row) => row.includes("edited"));
  assert.deepEqual([await idsOf(core), await idsOf(main), edited.length], [[], [1, 2, 3], 1]);
  await assertAtPeace(chain);
});

moveTest(
  "a reader in a long serializable transaction neither waits nor holds anything up",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core);
    const reader = await core.connect({ max: 1 }).reserve();
    await reader`begin isolation level serializable`;
    const before = await reader`select id from public.notes`;

    await settle(chain);

    assert.deepEqual(await idsOf(main), [1, 2, 3]);
    assert.deepEqual([...await reader`select id from public.notes`], [...before]);
    await reader`commit`;
  },
);

moveTest(
  "a table that somebody has locked holds up its dataset, not its writers",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core);
    const journey = await startJourney(chain);
    await journey.until("purge");
    const holder = await core.connect({ max: 1 }).reserve();
    await holder`begin`;
    await holder`lock table public.notes in share mode`;

    await journey.step();
    assert.equal(journey.next, "failed");
    const [trouble] = await core.sql`select trouble_sqlstate from strata.datasets`;
    assert.equal(trouble?.trouble_sqlstate, "55P03");

    await holder`commit`;
    await addNotes(core.sql, 4, 4);
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual(await idsOf(main), [1, 2, 3, 4]);
    await assertAtPeace(chain);
  },
);

moveTest("a run that is cancelled leaves neither its line nor its turn behind", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core);
  const { driving } = endsOfLink(chain);
  const session = driving.connect({ max: 1 });
  const [me] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const holder = await main.connect({ max: 1 }).reserve();
  await holder`begin`;
  await holder`lock table strata.arrivals in share mode`;
  const run = assert.rejects(session`call strata.move_due()`.execute(), { code: "57014" });
  await waitForLock(main.sql, "arrivals");
  await driving.sql`select pg_cancel_backend(${me?.pid ?? 0})`;
  await run;
  await holder`commit`;

  await session`call strata.move_due()`; // in the same session, which lives on
  const held = await driving.sql`select from pg_locks where locktype = 'advisory'
    and pid = ${me?.pid ?? 0}`;
  assert.equal(held.length, 0);
  await settle(chain);
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
  await assertAtPeace(chain);
}, { drivers: DIALLING });
