/** How checks are shown: what does not hold, each cause once; what holds as a number. */
import { grouped, noun, plural, some, table, withRemedy } from "../lib/output.ts";
import type { TierCheck } from "./checks.ts";

/** A decision of the owner's against a check goes on being shown. */
const DECIDED = /because: |in clear text/;

/** Every check in a table, or, where some do not hold, those alone. */
export function checksText(found: readonly TierCheck[], verbose: boolean): string {
  const wrong = found.filter(({ ok }) => !ok);
  const sound = found.filter(({ ok }) => ok);
  const shown = wrong.length === 0
    ? withoutSound(sound)
    : sound.filter(({ says }) => DECIDED.test(says));
  return [
    table(
      ["", "tier", "check", "found"],
      [...wrongLines(wrong), ...(verbose ? sound : shown)].map((
        { tier, ok, topic, says, remedy },
      ) => [
        ok ? "✓" : "✗",
        tier,
        topic,
        ok ? says : withRemedy(says, remedy ?? ""),
      ]),
    ),
    "",
    summary(found.length, wrong.length, verbose),
  ].join("\n");
}

function summary(all: number, wrong: number, verbose: boolean): string {
  if (wrong === 0) {
    return all === 1 ? "The one check holds." : `All ${plural(all, "check")} hold.`;
  }
  const rest = all - wrong;
  const says = `${plural(wrong, "check")} ${
    noun(wrong, "does", "do")
  } not hold; → says what to do.`;
  return verbose || rest === 0
    ? says
    : `${says} ${plural(rest, "other")} ${noun(rest, "holds", "hold")} (--verbose lists ${
      noun(rest, "it", "them")
    }).`;
}

/** Checks of one kind on one tier that end in the same remedy have one cause: they are one line. */
function wrongLines(wrong: readonly TierCheck[]): TierCheck[] {
  const kind = ({ topic }: TierCheck) => topic.split(" ")[0] ?? topic;
  return grouped(wrong, (check) => [check.tier, kind(check), check.remedy].join("\n"))
    .map(({ first, rest, all }) => {
      if (rest.length === 0) return first;
      const names = [...new Set(all.map(({ topic }) => topic.slice(kind(first).length).trim()))];
      return {
        ...first,
        topic: names.length === 1
          ? first.topic
          : `${plural(names.length, kind(first))}: ${some(names)}`,
        says: some(
          [...new Set(all.map(({ says }) => says))].map((says) => says.replace(/\.$/, "")),
        ),
      };
    });
}

/** A line for each sound dataset of each tier would bury the others: they are counted instead. */
function withoutSound(found: readonly TierCheck[]): TierCheck[] {
  const sound = found.filter(({ topic }) => topic.startsWith("dataset "));
  const counts = Map.groupBy(sound, ({ tier }) => tier);
  return [
    ...found.filter((check) => !sound.includes(check)),
    ...[...counts].map(([tier, checks]) => ({
      tier,
      ok: true,
      topic: "datasets",
      says: `${checks.length} without an objection`,
      remedy: null,
    })),
  ];
}
