import { assertEquals, assertMatch } from "@std/assert";
import type { Sql } from "postgres";
import type { Driver } from "../support/chain.ts";
import {
  addNotes,
  DIALLING,
  endPauses,
  endsOfLink,
  idsOf,
  type MoveChain,
  rowsOfChain,
  settle,
  startJourney,
} from "../support/moves.ts";
import { releasedChain, upgrade } from "./support.ts";

/** 0.0 on both, in the middle of a move. */
async function underWay(driver: Driver): Promise<MoveChain> {
  const chain = await releasedChain({ core: "0.0", main: "0.0" }, driver);
  const { core } = chain;
  await core
    .sql`create table public.notes (id bigint primary key, created_at timestamptz not null default now(), body text)`;
  await core.sql`select strata.manage('public.notes')`;
  await addNotes(core.sql, 1, 5);
  const journey = await startJourney(chain);
  await journey.until("purge");
  await journey.session.end();
  return chain;
}

/** What is wrong with the link, on the tier that dials. */
async function troubleOfLink(chain: MoveChain): Promise<[string, string]> {
  const { driving } = endsOfLink(chain);
  const [link] = await driving.sql`select trouble_sqlstate as code, trouble from strata.links`;
  return [String(link?.["code"]), String(link?.["trouble"])];
}

for (const driver of DIALLING) {
  for (const first of ["core", "main"] as const) {
    Deno.test(`${first} is upgraded, its neighbour is not: the link rests, says so, and loses nothing (${driver})`, async () => {
      await using chain = await underWay(driver);
      const before = await rowsOfChain(chain);
      await upgrade(chain[first]);
      await runAndWatch(chain);
      const { driving, driven } = endsOfLink(chain);
      const [code, trouble] = await troubleOfLink(chain);
      assertEquals(code, driving.tier === first ? "ST069" : "ST004");
      assertMatch(
        trouble,
        driving.tier === first
          ? new RegExp(
            `${driven.tier} has Strata 0.0 \\(protocols 1 to 1\\), ${first} has [\\d.]+ \\(2 to 2\\): upgrade ${driven.tier}$`,
          )
          : /speaks protocol 2 in UTF8, we speak 1 in UTF8$/,
      );
      assertEquals(await linkAlerts(driving.sql), [driven.tier]);
      assertEquals(await rowsOfChain(chain), before);

      await upgrade(chain[first === "core" ? "main" : "core"]);
      await endPauses(chain);
      await settle(chain);
      assertEquals(await idsOfChain(chain), [1, 2, 3, 4, 5]);
    });
  }
}

/** Both tiers run, look after each other, and look for what is wrong. */
async function runAndWatch(chain: MoveChain): Promise<void> {
  for (const { connect } of chain.databases) {
    const session = connect({ max: 1 });
    await session`call strata.move_due()`;
    await session`update strata.links set next_try_at = null`;
    await session`call strata.watchdog()`;
    await session`select strata.check_alerts()`;
    await session.end();
  }
}

async function linkAlerts(sql: Sql): Promise<string[]> {
  const rows = await sql`
    select subject, says from strata.alerts where kind = 'link_down' and cleared_at is null and heard_from is null`;
  return rows.map(({ subject }) => String(subject));
}

async function idsOfChain(chain: MoveChain): Promise<number[]> {
  return (await Promise.all(chain.databases.map((one) => idsOf(one)))).flat().sort();
}
