/** Neighbours whose releases speak ranges of protocols that overlap, and that do not. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  endPauses,
  endsOfLink,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  runLink,
} from "../support/moves.ts";
import { relay } from "./relay.ts";

type Range = readonly [number, number];

/** As if each tier had a release that speaks so; sessions that begin from here on know. */
async function speak({ core, main }: MoveChain, ranges: readonly [Range, Range]): Promise<void> {
  for (const [at, { sql }] of [core, main].entries()) {
    await sql.unsafe(`create or replace function strata.protocols() returns integer[]
      language sql immutable set search_path = pg_catalog, pg_temp as 'select array[${
      ranges[at]
    }]'`);
  }
}

/** One run over the link, by what really drives it; what it says if it is refused. */
async function run(chain: MoveChain): Promise<string> {
  if (chain.driver === "relay") return (await relay(chain)).said;
  await runLink(chain);
  const { driving } = endsOfLink(chain);
  return String((await driving.sql`select trouble from strata.links`)[0]?.["trouble"] ?? "");
}

const OVERLAPPING: readonly (readonly [Range, Range])[] = [
  [[2, 3], [1, 2]],
  [[1, 2], [2, 3]],
  [[2, 2], [1, 4]],
  [[1, 9], [2, 10]],
];

moveTest(
  "neighbours that have a protocol in common work together, whatever else either speaks",
  async (chain) => {
    await makeNotes(chain.core, 1);
    for (const [at, ranges] of OVERLAPPING.entries()) {
      await speak(chain, ranges);
      await chain.core.sql`
      insert into public.notes (id, created_at) values (${at + 100}, now() - interval '1000 days')
      on conflict do nothing`;
      assertEquals(await run(chain), "", JSON.stringify(ranges));
      assert((await idsOf(chain.main)).includes(at + 100), JSON.stringify(ranges));
    }
  },
);

const APART: readonly (readonly [Range, Range, "core" | "main"])[] = [
  [[3, 4], [1, 2], "main"],
  [[1, 2], [3, 3], "core"],
];

moveTest(
  "without one the link rests, and an alert names the tier to upgrade; then it goes on",
  async (chain) => {
    await makeNotes(chain.core, 3);
    const { driving } = endsOfLink(chain);
    for (const [core, main, older] of APART) {
      await speak(chain, [core, main]);
      const says = new RegExp(`: upgrade (this function and )?${older}[.]?$`);
      assertMatch(await run(chain), says);
      for (const { sql, tier } of chain.driver === "relay" ? chain.databases : [driving]) {
        const other = tier === "core" ? "main" : "core";
        const [link] = await sql`
        select trouble_sqlstate as code from strata.links where neighbour = ${other}`;
        assertEquals(link?.["code"], "ST069");
        await sql`select strata.check_alerts()`;
        const [alert] = await sql`
        select says from strata.alerts
         where kind = 'link_down' and subject = ${other} and cleared_at is null`;
        assertMatch(
          String(alert?.["says"]),
          new RegExp(`upgrade (this function and )?${older}[ .]`),
        );
      }
      assertEquals(await idsOf(chain.core), [1, 2, 3]);
      await endPauses(chain);
    }
    await speak(chain, [[1, 2], [2, 3]]);
    assertEquals(await run(chain), "");
    assertEquals(await idsOf(chain.main), [1, 2, 3]);
  },
);
