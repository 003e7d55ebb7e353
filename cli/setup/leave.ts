/** Before a tier is left out of the chain: are there rows on it that nobody would look after? */
import type { Config } from "../config/load.ts";
import * as strata from "../../supabase/functions/_strata/protocol/strata.ts";
import { openMovesTo, settledRows } from "../tiers/holdings.ts";
import type { Context } from "../lib/command.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { rows } from "../lib/output.ts";
import { connect } from "../lib/session.ts";

type LeftOut = Config["leftOut"][number];

/** Refuses to leave out a tier that the others still know, while something of theirs is on it. */
export async function refuseToAbandon({ config, session }: Context): Promise<void> {
  const known = await session.ask(async ({ sql }) =>
    await strata.tierOf(sql) === undefined ? [] : await strata.links(sql)
  );
  for (const gone of config.leftOut) {
    const knowing = known.filter(({ answer }) =>
      answer.some(({ neighbour }) => neighbour === gone.key)
    );
    if (knowing.length === 0) continue;
    const moves = await session.ask(({ sql }) => openMovesInto(sql, gone.key));
    if (moves.some(({ answer }) => answer > 0)) {
      throw new Failure(
        `${gone.key} is left out of the configuration, but a move to it is open`,
        `Put ${gone.key} back into database_tiers, and run \`deno task strata sync\` first.`,
        2,
      );
    }
    await refuseHolding(gone, knowing.map(({ tier }) => tier));
  }
}

async function openMovesInto(sql: strata.Db, tier: string): Promise<number> {
  return await strata.tierOf(sql) === undefined ? 0 : await openMovesTo(sql, tier);
}

async function refuseHolding(gone: LeftOut, knowing: string[]): Promise<void> {
  const found = await holdingsOf(gone).catch((error) => asFailure(error));
  if (found === 0n) return;
  const says = typeof found === "bigint"
    ? `it holds ${rows(found)} of datasets, which nobody would look after any more`
    : `whether it holds rows cannot be known: ${found.message}`;
  throw new Failure(
    `${gone.key} is left out of the configuration, but it is set up, and ${says}`,
    `Put ${gone.key} back into database_tiers, with its address. To part with it, and with what it ` +
      `holds, run \`select strata.leave_tier('${gone.key}');\` on ${knowing.join(" and ")} first.`,
    2,
  );
}

async function holdingsOf({ key, dbUrl, trust }: LeftOut): Promise<bigint> {
  if (!URL.canParse(dbUrl)) throw new Failure("its address is not in the environment");
  const sql = connect(dbUrl, trust);
  try {
    const self = await strata.tierOf(sql);
    if (self === undefined) return 0n; // Strata was removed there
    if (self !== key) throw new Failure(`its address leads to ${self ?? "no tier"}`);
    return await settledRows(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
