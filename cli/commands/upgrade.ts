import type { Command } from "commander";
import { releases } from "../tiers/releases.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { withRemedy } from "../lib/output.ts";
import { versionHere } from "../lib/releases.ts";
import { init, pushTo } from "../setup/init.ts";

/** What became of one tier. */
interface Upgraded {
  tier: string;
  from: string;
  to: string;
}

/** `upgrade`: gives every tier the release that lies here. */
export function upgrade(io: Io): Command {
  return command(
    "upgrade",
    "give every tier the release of Strata that is here; a timer may do it",
    [
      "upgrade                 # changes nothing where it is there already",
      "upgrade --json",
    ],
  )
    .action((flags: CommonOptions) => perform(io, flags, work));
}

/**
 * The coldest tier first: whoever takes rows in understands all that a hotter one sends. Then what setup does, for what
 * a release wants to have set up anew. A tier that does not answer keeps its release; the next run comes to it.
 */
async function work(context: Context): Promise<Report> {
  const { session, say } = context;
  const to = await versionHere();
  const upgraded: Upgraded[] = [];
  for (const open of session.open.toReversed()) {
    const answers = await session.ask(async (one) => {
      const found = (await releases(one.sql)).find(({ product }) => product === "strata");
      const isNew = await pushTo(context.config, one);
      return { from: found?.version ?? "", isNew };
    }, [open]);
    for (const { tier, answer } of answers) {
      if (!answer.isNew) continue;
      upgraded.push({ tier, from: answer.from, to });
      say(`${tier}: Strata ${answer.from} → ${to}`);
    }
  }
  const refused = upgraded.length === 0 ? [] : (await init(context)).refused;
  return {
    document: { version: to, upgraded, refused },
    text: [
      upgraded.length === 0
        ? `Every tier that answers has Strata ${to}: nothing was done.`
        : `Strata ${to} is on every tier that answers.`,
      ...refused.map(({ dataset, says, remedy }) =>
        withRemedy(`${dataset} is refused: ${says}`, remedy)
      ),
    ].join("\n"),
    ok: session.skipped.length === 0 && refused.length === 0,
  };
}
