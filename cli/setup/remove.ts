/** Strata, or its companion, out of the databases of tiers: what a removal's migration does for a project of the owner's. */
import { type TierName, TIERS } from "../config/schema.ts";
import type { Context, Report } from "../lib/command.ts";
import { confirmed } from "../lib/confirm.ts";
import { Failure } from "../lib/errors.ts";
import { connect, type OpenTier } from "../lib/session.ts";
import { companionRemovalSql, removalSql } from "../project/guest.ts";
import { fileNamesHere } from "../lib/releases.ts";
import { forgetPushed, releases } from "../tiers/releases.ts";
import * as strata from "../../supabase/functions/_strata/protocol/strata.ts";

/** What is to be removed, and from where. */
export interface Removal {
  /** Names with commas between them, or all. */
  tiers: string;
  companion: boolean;
  leaveRows: boolean;
  dryRun: boolean;
  yes: boolean;
}

/** The hottest tier first: it says whether rows have settled, before anything is gone. */
export async function removeFrom(context: Context, removal: Removal): Promise<Report> {
  const { session, say } = context;
  const wanted = namedTiers(context, removal.tiers).map((key) => session.require(key));
  const having = await tiersWith(context, wanted, removal.companion ? "companion" : "strata");
  const names = having.map(({ tier }) => tier.key);
  const what = removal.companion ? "The companion" : "Strata";
  const document = { tiers: names, companion: removal.companion };
  if (having.length === 0) {
    return { document: { ...document, done: false }, text: `${what} is on none of these tiers.` };
  }
  if (!removal.companion) await refuseHalf(context, names);
  const plan = `${what} is taken out of ${
    names.join(", ")
  }: tables stay, with the rows they have there.`;
  if (removal.dryRun) {
    return { document: { ...document, done: false }, text: `${plan} Nothing was done: --dry-run.` };
  }
  if (!confirmed(plan, removal.yes)) throw new Failure("Nothing was done");
  const text = removal.companion
    ? await companionRemovalSql()
    : await removalSql(removal.leaveRows);
  const files = (await fileNamesHere())
    .filter((name) => !removal.companion || name.endsWith("_strata_companion.sql"));
  for (const { tier } of having) {
    const sql = connect(tier.dbUrl, tier.trust); // a session of its own, which ends with it
    try {
      await sql.unsafe(text);
      await forgetPushed(sql, files);
    } finally {
      await sql.end({ timeout: 5 });
    }
    say(`${tier.key}: done`);
  }
  return {
    document: { ...document, done: true },
    text: `${what} is out of ${names.join(", ")}.`,
  };
}

function namedTiers({ config }: Context, given: string): TierName[] {
  const here = config.tiers.map(({ key }) => key);
  if (given === "all") return here;
  const names = given.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const unknown = names.filter((name) => !here.some((key) => key === name));
  if (unknown.length > 0 || names.length === 0) {
    throw new Failure(
      `The configuration has no tier ${unknown.join(", ")}`,
      `These are there: ${here.join(", ")}.`,
      2,
    );
  }
  return TIERS.filter((key) => names.includes(key));
}

async function tiersWith({ session }: Context, wanted: OpenTier[], product: string) {
  const answers = await session.ask(
    async ({ sql }) => (await releases(sql)).some((one) => one.product === product),
    wanted,
  );
  return wanted.filter(({ tier }) => answers.some((one) => one.tier === tier.key && one.answer));
}

/** A tier that others settle into, or take from, is not removed from under them. */
async function refuseHalf({ session }: Context, going: readonly TierName[]): Promise<void> {
  const staying = session.open.filter(({ tier }) => !going.includes(tier.key));
  if (staying.length === 0) return;
  const known = await session.ask(
    async ({ sql }) => await strata.tierOf(sql) === undefined ? [] : await strata.links(sql),
    staying,
  );
  for (const { tier, answer } of known) {
    const gone = answer.find(({ neighbour }) => going.some((key) => key === neighbour))?.neighbour;
    if (gone === undefined) continue;
    throw new Failure(
      `${tier} is linked with ${gone}, and stays`,
      `Name both, or part them first: \`select strata.leave_tier('${gone}');\` on ${tier}.`,
      2,
    );
  }
}
