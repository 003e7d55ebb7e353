/** Telegram's part of something spoken: a look whether the chat is there, then one voice message, or one text. */
import { type Api, InputFile } from "grammy";
import type { Audio } from "./audio.ts";
import type { OutboundDeps } from "./outbound.ts";
import { attempt, type Outcome } from "./telegram.ts";

/** Where to, and until when. */
export interface Chat {
  api: Api;
  chat: string;
  /** By `now()`. */
  deadline: number;
}

/** Sound with what it says. */
export interface VoiceMessage {
  audio: Uint8Array;
  kind: Audio;
  text: string;
}

const LONGEST_CAPTION = 1024;
const LONGEST_TEXT = 4096;
/** A longer wait is left to another attempt. */
const LONGEST_NAP_SECONDS = 20;

/**
 * Whether the chat can be reached, before anything is paid for. It shows there as "recording a voice
 * message", and is refused by whatever would refuse the message.
 */
export async function knock(deps: OutboundDeps, to: Chat): Promise<Outcome> {
  return await patiently(deps, to, async () => {
    await to.api.sendChatAction(to.chat, "record_voice");
    return { message_id: 0 };
  });
}

/** Sends sound, with its text as the caption. */
export async function sendVoice(
  deps: OutboundDeps,
  to: Chat,
  { audio, kind, text }: VoiceMessage,
): Promise<Outcome> {
  return await patiently(
    deps,
    to,
    () =>
      to.api.sendVoice(to.chat, new InputFile(audio, kind.fileName), {
        caption: cut(text, LONGEST_CAPTION),
        duration: kind.seconds,
      }),
  );
}

/** Sends a text as it is. */
export async function sendText(deps: OutboundDeps, to: Chat, text: string): Promise<Outcome> {
  return await patiently(deps, to, () => to.api.sendMessage(to.chat, cut(text, LONGEST_TEXT)));
}

/** Once more after the pause that Telegram asks for. */
async function patiently(
  deps: OutboundDeps,
  { deadline }: Chat,
  call: () => Promise<{ message_id: number }>,
): Promise<Outcome> {
  const first = await attempt(call);
  if (first.outcome !== "retry") return first;
  const nap = first.after ?? 1;
  if (nap > LONGEST_NAP_SECONDS || deps.now() + nap * 1_000 >= deadline) return first;
  await deps.sleep(nap * 1_000);
  return await attempt(call);
}

/** At most so many UTF-16 units, as Telegram counts, and no half letters. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  let kept = "";
  for (const letter of text) {
    if (kept.length + letter.length > most - 1) break;
    kept += letter;
  }
  return `${kept.trimEnd()}…`;
}
