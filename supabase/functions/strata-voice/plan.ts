/** What today's briefing is: its text, whether it is spoken, what that costs. Nothing is called or counted here. */
import type { Rpc } from "../_strata/protocol/strata_rpc.ts";
import { type Estimate, estimateCost, type Facts } from "../_strata/protocol/strata_voice.ts";
import { characters, compose, fit, measure, type RuleName, textOf } from "./compose.ts";
import { LANGUAGES, type TextReason } from "./language.ts";

/** The kind of a briefing's costs. */
export const BRIEFING = "briefing";

/** A briefing before it is sent. */
export interface Plan {
  channel: "voice" | "text";
  /** Why it is not spoken, or not all of it. */
  reason: TextReason | null;
  /** What is spoken; for a text, what is written. */
  text: string;
  /** The sentences there was no room for. */
  left_out: RuleName[];
  estimate: Estimate;
}

/** Composes today's briefing as long as the limits allow. */
export async function planBriefing(rpc: Rpc, facts: Facts, canSpeak: boolean): Promise<Plan> {
  const sentences = compose(facts);
  const whole = textOf(sentences);
  const estimateOf = (text: string) =>
    estimateCost(rpc, { model: facts.owner.model, kind: BRIEFING, units: characters(text) });
  const estimate = await estimateOf(whole);
  const written = (reason: TextReason): Plan => ({
    channel: "text",
    reason,
    text: inWriting(whole, facts, reason),
    left_out: [],
    estimate,
  });
  if (!canSpeak) return written("unconfigured");
  if (estimate.fits) {
    return { channel: "voice", reason: null, text: whole, left_out: [], estimate };
  }
  const kept = fit(sentences, estimate.units_left);
  if (kept === undefined) return written(estimate.limited_by);
  const text = textOf(kept);
  return {
    channel: "voice",
    reason: estimate.limited_by,
    text,
    left_out: sentences.filter((one) => !kept.includes(one)).map(({ rule }) => rule),
    estimate: await estimateOf(text),
  };
}

/** The text of a briefing that could not be spoken, which says so. */
export function inWriting(
  text: string,
  { owner: { language } }: Facts,
  reason: TextReason,
): string {
  return `${text}\n\n${LANGUAGES[language].sentences.inWriting(reason)}`;
}

/** A plan as people and programs read it. */
export function describe({ channel, reason, text, left_out, estimate }: Plan, facts: Facts) {
  const troubles = [facts.tasks?.trouble, facts.yesterday?.trouble, facts.week?.trouble]
    .filter((trouble) => trouble !== undefined);
  return {
    owner: facts.owner.owner,
    day: facts.day,
    language: facts.owner.language,
    channel,
    reason,
    text,
    ...measure(text),
    left_out,
    cost: costOf(estimate),
    limits: limitsOf(estimate),
    ...(troubles.length > 0 ? { troubles } : {}),
  };
}

/** What it would cost. */
export function costOf({ credits, usd }: Estimate) {
  return { credits, usd };
}

/** What is left, and which limit comes first. */
export function limitsOf({ units_left, limited_by, credits_left, usd_left }: Estimate) {
  return { characters_left: units_left, limited_by, credits_left, usd_left };
}
