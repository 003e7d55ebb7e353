/** The notice as a voice message, when there is a voice and the budget of its kind allows it. */
import { elevenLabsSettings } from "../_strata/outbound/elevenlabs.ts";
import { spoken } from "../_strata/render/spoken.ts";
import { telegramApi, telegramSettings } from "../_strata/outbound/telegram.ts";
import { sendVoice } from "../_strata/outbound/deliver_voice.ts";
import type { Speak } from "./handler.ts";

/** A kind of strata.budgets, with a ceiling for each month. */
const KIND = "deploy-notice";
const MODEL = "eleven_flash_v2_5";
const TIME_MS = 40_000;

/** Has a line spoken and sends it to the owner's chat; says how that went. */
export const speakLine: Speak = async (deps, line) => {
  const telegram = telegramSettings(deps.env);
  const voice = elevenLabsSettings(deps.env);
  if (telegram === undefined || voice === undefined) return "not configured";
  const deadline = deps.now() + TIME_MS;
  const speech = await spoken(deps, voice, {
    text: line,
    language: "en",
    voice: voice.voice,
    model: MODEL,
    kind: KIND,
    says: line,
    deadline: deadline - 10_000,
  });
  if ("unspoken" in speech) return speech.unspoken;
  const to = { api: telegramApi(deps, telegram), chat: telegram.chat, deadline };
  return (await sendVoice(deps, to, { ...speech, text: line })).outcome;
};
