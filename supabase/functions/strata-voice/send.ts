/**
 * Sends today's briefing of an owner, once.
 *
 * Before money is spent, the chat is knocked at; before the message goes out, the database knows that it
 * is about to; and when the answer is lost, it stays at that. See migration 001350 for the steps.
 */
import { type Audio, audioOf } from "../_strata/outbound/audio.ts";
import { credits as askCredits, type ElevenLabsSettings } from "../_strata/outbound/elevenlabs.ts";
import { spoken } from "../_strata/render/spoken.ts";
import {
  briefingFacts,
  type Facts,
  failBriefing,
  finishBriefing,
  noteAllowance,
  openBriefing,
  readRecording,
  startDelivery,
  storeRecording,
} from "../_strata/protocol/strata_voice.ts";
import { type Outcome, telegramApi, type TelegramSettings } from "../_strata/outbound/telegram.ts";
import type { Deps } from "../_strata/http/wire.ts";
import { characters } from "./compose.ts";
import { type Chat, knock, sendText, sendVoice } from "../_strata/outbound/deliver_voice.ts";
import type { TextReason } from "./language.ts";
import { BRIEFING, inWriting, planBriefing } from "./plan.ts";

/** The outside world of a briefing. */
export interface Services {
  telegram: TelegramSettings;
  /** Undefined: nothing can be spoken. */
  voice: ElevenLabsSettings | undefined;
}

/** What became of a briefing. */
export interface Result {
  owner: string;
  day: string;
  /** `already`: it was sent before. `busy`: somebody else is sending it. `unknown`: it may have arrived. */
  state: "sent" | "already" | "busy" | "failed" | "unknown";
  channel?: "voice" | "text";
  reason?: TextReason | null;
  says: string;
}

/** Less than the 60 s a self-hosted worker lives. */
const TIME_MS = 50_000;
/** Of which so much is kept for Telegram. */
const DELIVERY_MS = 15_000;

/** What is to be sent. */
interface Message {
  text: string;
  reason: TextReason | null;
  sound?: { audio: Uint8Array; kind: Audio; recordingId: string | null; costId: string | null };
}

/** Sends today's briefing, unless it was sent. */
export async function sendBriefing(deps: Deps, services: Services, owner: string): Promise<Result> {
  const deadline = deps.now() + TIME_MS;
  const opened = await openBriefing(deps.rpc, owner);
  const { day, lease } = opened;
  if (lease === null) return notOurs(owner, day, opened.state, opened.says ?? "");
  let delivering = false;
  try {
    const facts = await briefingFacts(deps.rpc, owner);
    const to: Chat = {
      api: telegramApi(deps, services.telegram),
      chat: facts.owner.chat_id ?? services.telegram.chat,
      deadline,
    };
    const there = await knock(deps, to);
    if (there.outcome !== "sent") {
      const trouble = `Telegram: ${there.says} (${there.code})`;
      await failBriefing(deps.rpc, { lease, trouble, mayHaveArrived: false });
      return { owner, day, state: "failed", says: trouble };
    }
    const message = await paidBefore(deps, opened.recording_id, opened.says) ??
      await prepare(deps, services.voice, facts, deadline - DELIVERY_MS);
    await note(deps, { lease, facts, message });
    delivering = true;
    return await deliver(deps, to, { owner, day, lease, facts, message });
  } catch (error) {
    deps.log("briefing_failed", { owner, delivering, error });
    // Once it is being delivered only Telegram's own no would do: so its lease runs out, and it is not sent again.
    if (!delivering) await giveUp(deps, lease);
    throw error;
  }
}

async function giveUp({ rpc, log }: Deps, lease: string): Promise<void> {
  const trouble = "the function failed; its log says why";
  try {
    await failBriefing(rpc, { lease, trouble, mayHaveArrived: false });
  } catch (error) {
    log("lease_not_given_back", { error }); // it runs out by itself
  }
}

function notOurs(owner: string, day: string, state: string, says: string): Result {
  if (state === "sent") return { owner, day, state: "already", says };
  if (state === "unknown") return { owner, day, state: "unknown", says };
  return { owner, day, state: "busy", says: "somebody else is sending it" };
}

/** What an earlier attempt of the day paid for and could not send. */
async function paidBefore(
  { rpc }: Deps,
  recordingId: string | null,
  says: string | null,
): Promise<Message | undefined> {
  if (recordingId === null || says === null) return undefined;
  const recording = await readRecording(rpc, recordingId);
  const kind = recording === null ? undefined : audioOf(recording.audio);
  if (recording === null || kind === undefined) return undefined;
  return {
    text: says,
    reason: null,
    sound: { audio: recording.audio, kind, recordingId, costId: null },
  };
}

/** Composes the briefing and has it spoken, when that may be. */
async function prepare(
  deps: Deps,
  voice: ElevenLabsSettings | undefined,
  facts: Facts,
  deadline: number,
): Promise<Message> {
  if (voice !== undefined) await syncCredits(deps, voice, deadline);
  const plan = await planBriefing(deps.rpc, facts, voice !== undefined);
  if (plan.channel === "text" || voice === undefined) {
    return { text: plan.text, reason: plan.reason };
  }
  const { owner, day } = facts;
  const speech = await spoken(deps, voice, {
    text: plan.text,
    language: owner.language,
    voice: owner.voice_id ?? voice.voice,
    model: owner.model,
    kind: BRIEFING,
    says: `briefing of ${day} for ${owner.owner}`,
    deadline,
  });
  if ("unspoken" in speech) {
    deps.log("not_spoken", { reason: speech.unspoken, code: speech.code });
    return { text: inWriting(plan.text, facts, speech.unspoken), reason: speech.unspoken };
  }
  const { audio, kind, costId, usd } = speech;
  const recordingId = await storeRecording(deps.rpc, {
    kind: "briefing",
    language: owner.language,
    transcript: plan.text,
    mimeType: kind.mimeType,
    audio,
    seconds: kind.seconds,
    metadata: {
      voice: owner.voice_id ?? voice.voice,
      model: owner.model,
      characters: characters(plan.text),
      usd,
      cost_id: costId,
    },
  }).catch((error) => { // the owner's own table of that name, perhaps; the briefing goes out all the same
    deps.log("recording_not_stored", { error });
    return null;
  });
  return { text: plan.text, reason: plan.reason, sound: { audio, kind, recordingId, costId } };
}

/** What the service says of its credits counts, when it says anything: others may use them, too. */
async function syncCredits(deps: Deps, voice: ElevenLabsSettings, deadline: number): Promise<void> {
  const asked = await askCredits(deps, voice, deadline);
  if ("value" in asked) await noteAllowance(deps.rpc, asked.value);
  else deps.log("credits_unknown", { code: asked.trouble });
}

interface Delivered {
  owner: string;
  day: string;
  lease: string;
  facts: Facts;
  message: Message;
}

async function deliver(deps: Deps, to: Chat, of: Delivered): Promise<Result> {
  const { owner, day, lease, message } = of;
  let { text, reason, sound } = message;
  let outcome = sound === undefined
    ? await sendText(deps, to, text)
    : await sendVoice(deps, to, { ...sound, text });
  if (outcome.outcome === "refused" && sound !== undefined) {
    // Who has forbidden voice messages can still read.
    deps.log("voice_refused", { code: outcome.code, says: outcome.says });
    sound = undefined;
    reason = "refused";
    text = inWriting(text, of.facts, reason);
    outcome = await sendText(deps, to, text);
  }
  return await conclude(deps, { owner, day, lease }, outcome, {
    text,
    reason,
    channel: sound === undefined ? "text" : "voice",
  });
}

/** From here on the briefing is not sent again unless Telegram refuses it. */
async function note(
  { rpc }: Deps,
  { lease, facts, message: { text, reason, sound } }: Pick<
    Delivered,
    "lease" | "facts" | "message"
  >,
): Promise<void> {
  await startDelivery(rpc, {
    lease,
    says: text,
    language: facts.owner.language,
    channel: sound === undefined ? "text" : "voice",
    characters: characters(text),
    reason,
    seconds: sound?.kind.seconds ?? null,
    affirmationId: facts.affirmation?.id ?? null,
    costId: sound?.costId ?? null,
    recordingId: sound?.recordingId ?? null,
  });
}

/** What is true and only not written down yet is worth a second and a third attempt. */
async function surely(deps: Deps, write: () => Promise<void>): Promise<void> {
  for (let attempt = 1;; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if (attempt === 3) throw error;
      deps.log("tried_again", { error });
      await deps.sleep(attempt * 500);
    }
  }
}

async function conclude(
  deps: Deps,
  { owner, day, lease }: { owner: string; day: string; lease: string },
  outcome: Outcome,
  { text, reason, channel }: { text: string; reason: TextReason | null; channel: "voice" | "text" },
): Promise<Result> {
  if (outcome.outcome === "sent") {
    const messageId = String(outcome.receipt.message_id);
    await surely(deps, () => finishBriefing(deps.rpc, { lease, messageId, channel, reason }));
    return { owner, day, state: "sent", channel, reason, says: text };
  }
  const mayHaveArrived = outcome.outcome === "uncertain";
  const trouble = `Telegram: ${outcome.says} (${outcome.code})`;
  await failBriefing(deps.rpc, { lease, trouble, mayHaveArrived });
  return { owner, day, state: mayHaveArrived ? "unknown" : "failed", says: trouble };
}
