import { Argument, type Command } from "commander";
import { TIERS } from "../config/schema.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { table } from "../lib/output.ts";
import { Session } from "../lib/session.ts";
import { assumptions } from "../setup/hosted.ts";

interface DoctorFlags extends CommonOptions {
  hosted?: true;
}

/** `doctor`: what is taken for granted of a hosted project, asked of a real one. Changes nothing. */
export function doctor(io: Io): Command {
  const made = command(
    "doctor",
    "ask a project whether what Strata takes for granted holds there",
    [
      "doctor --hosted          # core; reads only, before or after setup",
      "doctor --hosted main",
      "doctor --hosted --json",
    ],
  )
    .addArgument(new Argument("[tier]", "which tier").choices([...TIERS]).default("core"))
    .option("--hosted", "what docs/design/platform.md lists of a hosted project")
    .action(async (tier: string, flags: DoctorFlags) => {
      if (!flags.hosted) return made.outputHelp();
      await perform(io, flags, (context) => report(context, tier), withoutSession);
    });
  return made;
}

/** It is asked before Strata is set up there as well. */
const withoutSession = () => Promise.resolve(new Session([], []));

async function report({ config }: Context, key: string): Promise<Report> {
  const tier = config.tiers.find((one) => one.key === key);
  if (tier === undefined) throw new Failure(`The configuration has no ${key}`, "Leave it out.", 2);
  const found = await assumptions(tier);
  const wrong = found.filter(({ ok }) => ok === false);
  const sign = (ok: boolean | null) => ok === null ? "-" : ok ? "✓" : "✗";
  return {
    document: { tier: key, assumptions: found },
    text: [
      table(
        ["", "assumption", "found"],
        found.map(({ ok, topic, says }) => [sign(ok), topic, says]),
      ),
      "",
      wrong.length === 0
        ? `What Strata takes for granted holds on ${key}.`
        : `${wrong.length} of ${found.length} assumptions do not hold on ${key}; ` +
          "docs/design/platform.md says what each is needed for.",
    ].join("\n"),
    ok: wrong.length === 0,
  };
}
