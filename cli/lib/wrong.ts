/** What is wrong at this moment, on every tier that answers; the tiers decide it, commands only show it. */
import { look, whatIsWrong, type Wrong } from "../tiers/watch.ts";
import type { Session } from "./session.ts";

/** 🔴, 🟡 or 🔵: how much it matters. */
export const LIGHTS = { info: "🔵", warning: "🟡", critical: "🔴" } as const;
const ORDER = ["critical", "warning", "info"];

/** Has every tier look, the coldest first, so that the hotter ones hear of it; then asks them all. */
export async function lookEverywhere(session: Session): Promise<Wrong[]> {
  for (const open of session.open.toReversed()) {
    await session.ask(({ sql }) => look(sql), [open]);
  }
  return await wrongEverywhere(session);
}

/** What every tier that answers knows to be wrong, each thing once, and the tiers that do not answer. */
export async function wrongEverywhere(session: Session): Promise<Wrong[]> {
  const answers = await session.ask(({ sql }) => whatIsWrong(sql));
  const found = once(answers.flatMap(({ answer }) => answer));
  return [...found, ...unreachable(session)].sort((a, b) =>
    ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity)
  );
}

/** What a hotter tier has heard of is told by the tier it comes from, when that one answers. */
export function once<T extends Pick<Wrong, "kind" | "tier" | "subject" | "heard_from">>(
  found: T[],
): T[] {
  const isOf = (one: T) => (other: T) =>
    one !== other && other.heard_from === null && other.kind === one.kind &&
    other.tier === one.tier && other.subject === one.subject;
  return found.filter((one) => one.heard_from === null || !found.some(isOf(one)));
}

function unreachable({ skipped }: Session): Wrong[] {
  return skipped.map(({ tier, says, remedy }) => ({
    kind: "not_reachable",
    tier,
    subject: "",
    severity: "critical",
    says: `from here: ${says}`,
    remedy,
    since: new Date().toISOString(),
    heard_from: null,
    of_moves: true,
  }));
}

/** One thing that is wrong: what, since when, and what to do about it. */
export function wrongText(wrong: Wrong): string {
  const { kind, tier, subject, severity, says, remedy } = wrong;
  const about = subject === "" ? "" : `, ${subject}`;
  return [
    `${LIGHTS[severity]} ${tier}: ${kind.replaceAll("_", " ")}${about} ` +
    `(since ${wrong.since.slice(0, 16)})`,
    `   ${says}`,
    ...(remedy === null ? [] : [`   → ${remedy}`]),
  ].join("\n");
}
