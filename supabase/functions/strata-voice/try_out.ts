/** One sentence, to hear that everything works: its own kind of cost, and no briefing of any day. */
import { HttpError } from "../_strata/http/errors.ts";
import { spoken } from "../_strata/render/spoken.ts";
import { briefingFacts, estimateCost } from "../_strata/protocol/strata_voice.ts";
import { telegramApi } from "../_strata/outbound/telegram.ts";
import type { Deps } from "../_strata/http/wire.ts";
import { measure } from "./compose.ts";
import { knock, sendText, sendVoice } from "../_strata/outbound/deliver_voice.ts";
import { LANGUAGES, type TextReason } from "./language.ts";
import { costOf, limitsOf } from "./plan.ts";
import type { Services } from "./send.ts";

const KIND = "voice-test";
const TIME_MS = 40_000;

/** Says the sentence to the owner's chat, or only what that would cost. */
export async function tryOut(
  deps: Deps,
  { telegram, voice }: Services,
  owner: string,
  dryRun: boolean,
) {
  const facts = await briefingFacts(deps.rpc, owner);
  const { language, model, voice_id, chat_id } = facts.owner;
  const { sentences } = LANGUAGES[language];
  const text = sentences.test();
  const size = measure(text);
  if (dryRun) {
    const cost = await estimateCost(deps.rpc, { model, kind: KIND, units: size.characters });
    return { owner, text, ...size, fits: cost.fits, cost: costOf(cost), limits: limitsOf(cost) };
  }
  const deadline = deps.now() + TIME_MS;
  const to = { api: telegramApi(deps, telegram), chat: chat_id ?? telegram.chat, deadline };
  const there = await knock(deps, to);
  if (there.outcome !== "sent") throw notSent(there.says);
  const speech = voice === undefined
    ? { unspoken: "unconfigured" as const, code: "" }
    : await spoken(deps, voice, {
      text,
      language,
      voice: voice_id ?? voice.voice,
      model,
      kind: KIND,
      says: `test for ${owner}`,
      deadline: deadline - 10_000,
    });
  const reason: TextReason | null = "unspoken" in speech ? speech.unspoken : null;
  const outcome = "unspoken" in speech
    ? await sendText(deps, to, sentences.inWriting(speech.unspoken))
    : await sendVoice(deps, to, { ...speech, text });
  if (outcome.outcome !== "sent") throw notSent(outcome.says);
  return {
    owner,
    channel: reason === null ? "voice" : "text",
    reason,
    code: "unspoken" in speech ? speech.code : null,
    usd: "unspoken" in speech ? 0 : speech.usd,
  };
}

function notSent(says: string): HttpError {
  return new HttpError(502, "telegram", `Telegram did not take it: ${says}.`);
}
