import assert from "node:assert/strict";
import { Destination, Source } from "../../supabase/functions/_strata/protocol/strata_relay.ts";
import { audited, mismatches } from "../support/audit.ts";
import { idsOf, makeNotes, type MoveChain, moveTest, settle } from "../support/moves.ts";
import { relaySlice } from "../support/relay.ts";
import { rpcTo } from "../support/rpc.ts";

/** Notes of March 2026 that have settled on main; one of them is lost, and another one written to core. */
async function lossy(chain: MoveChain): Promise<void> {
  const { core, main } = chain;
  await chain.freezeClock("2026-07-01T00:00:00Z");
  await makeNotes(core, 0);
  await core.sql`
    insert into public.notes (id, created_at)
    select id, timestamptz '2026-03-01 00:00:00Z' + id * interval '1 day' from generate_series(1, 50) as id`;
  await settle(chain);
  await main.sql`delete from public.notes where id = 1`;
  await core.sql`insert into public.notes values (60, strata.clock())`;
}

moveTest("a relay carries the audits that cron has begun", async (chain) => {
  const { core, main } = chain;
  await lossy(chain);
  await relaySlice(core, main);
  assert.deepEqual(await audited(chain), []); // none has begun
  await core.sql`call strata.audit()`;
  await relaySlice(core, main);
  assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 1"]);
  assert.deepEqual(
    (await audited(chain)).map((
      { finished, months, rows, keys },
    ) => [finished, months, rows, keys]),
    [
      [true, 2, 49, 1],
    ],
  );
}, { drivers: ["relay"] });

moveTest(
  "an audit that main cannot answer stands still and says why; rows go on",
  async (chain) => {
    const { core, main } = chain;
    await lossy(chain);
    await main.sql`alter function strata.take_stock(text, text, text[]) rename to hidden_stock`;
    await core.sql`call strata.audit()`;
    await core.sql`insert into public.notes values (70, '2026-03-05')`;
    const { outcome, left } = await relaySlice(core, main);
    assert.deepEqual({ outcome, left }, { outcome: "carried", left: false });
    assert.ok((await idsOf(main)).includes(70));
    const [stuck] = await audited(chain);
    assert.equal(stuck?.finished, false);
    assert.match(stuck?.trouble ?? "", /take_stock/);
    await main.sql`alter function strata.hidden_stock(text, text, text[]) rename to take_stock`;
    await relaySlice(core, main);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 1"]);
  },
  { drivers: ["relay"] },
);

moveTest("what a slow relay brings to a later step of the audit is dropped", async (chain) => {
  const { core, main } = chain;
  await lossy(chain);
  await core.sql`call strata.audit()`;
  const source = new Source(rpcTo(core.sql), "core", "main");
  const destination = new Destination(rpcTo(main.sql), "main", "core");
  const step = async () => {
    for (let next = await source.audit(); next.state === "ask";) {
      next = await source.audit({
        soFar: next.so_far,
        answer: await destination.answer(next.question),
      });
    }
  };
  await step(); // which months there are
  const slow = await source.audit();
  if (slow.state !== "ask") throw new Error(`${slow.state} instead of a question`);
  const answer = await destination.answer(slow.question);
  await step(); // another relay takes the month meanwhile
  const next = await source.audit({ soFar: slow.so_far, answer });
  assert.equal(next.state, "ask");
  assert.notDeepEqual(next, slow);
  while ((await audited(chain))[0]?.finished !== true) await step();
  assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 1"]);
}, { drivers: ["relay"] });
