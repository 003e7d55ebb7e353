import { assert, assertEquals } from "@std/assert";
import { DatabaseError } from "../../supabase/functions/_strata/http/errors.ts";
import { Destination, Source } from "../../supabase/functions/_strata/protocol/strata_relay.ts";
import type { Rpc } from "../../supabase/functions/_strata/protocol/strata_rpc.ts";
import { carry } from "../../supabase/functions/strata-relay/slice.ts";
import { testChain } from "../support/chain.ts";
import {
  addNotes,
  assertAtPeace,
  endPauses,
  makeNotes,
  rowsOf,
  rowsOfChain,
  settle,
} from "../support/moves.ts";
import { SLICE_DEPS } from "../support/relay.ts";
import { rpcTo } from "../support/rpc.ts";

/** The function is gone: nothing of it happens any more, neither a call nor the writing down of a failure. */
class Dead extends DatabaseError {
  constructor() {
    super("", "killed");
  }
}

/** Lives for so many calls of the databases; the last is lost on its way there, or its answer is. */
function mortal(calls: number, when: "before" | "after") {
  let made = 0;
  return (rpc: Rpc): Rpc => async (name, args) => {
    made++;
    if (made > calls || (made === calls && when === "before")) throw new Dead();
    const answer = await rpc(name, args);
    if (made === calls) throw new Dead();
    return answer;
  };
}

for (const when of ["before", "after"] as const) {
  Deno.test(`a relay killed ${when} any of its calls is taken up, and nothing is lost or doubled`, async (t) => {
    await using made = await testChain({ tiers: ["core", "main"], driver: "relay" });
    const chain = Object.assign(made, { driver: "relay" as const });
    const { core, main } = chain;
    await makeNotes(core, 0);
    // Four batches: the first goes by itself, the others follow it in a flow.
    await core.sql`update strata.settings set value = 1 where name = 'batch_rows'`;
    let finished = false;
    for (let calls = 1; !finished; calls++) {
      assert(calls < 80, "it never came to its end");
      await t.step(`call ${calls}`, async () => {
        const first = calls * 10;
        await addNotes(core.sql, first, first + 3);
        const all = await rowsOfChain(chain);
        const kill = mortal(calls, when);
        const source = new Source(kill(rpcTo(core.sql)), "core", "main");
        const destination = new Destination(kill(rpcTo(main.sql)), "main", "core");
        finished = await carry(SLICE_DEPS, source, destination).then(
          ({ outcome, rows }) => outcome === "carried" && rows === 4,
          () => false,
        );
        // The writer goes on while the move is open: its update wins, its deletion stays.
        await core.sql`update public.notes set body = 'edited' where id = ${first}`;
        const edited = await rowsOf(core);
        await core.sql`delete from public.notes where id = ${first + 1}`;

        await core.sql`update strata.leases set expires_at = clock_timestamp()`;
        await endPauses(chain);
        await settle(chain);

        const expected = all.filter((row) => {
          const id = Number(/"id": (\d+)/.exec(row)?.[1]);
          if (id === first + 1) return !edited.some((one) => one.includes(`"id": ${id},`));
          return true;
        }).map((row) => {
          const id = /"id": (\d+)/.exec(row)?.[1];
          return edited.find((one) => one.includes(`"id": ${id},`)) ?? row;
        });
        assertEquals(await rowsOfChain(chain), expected.sort());
        assertEquals(await rowsOf(core), []);
        await assertAtPeace(chain);
      });
    }
  });
}
