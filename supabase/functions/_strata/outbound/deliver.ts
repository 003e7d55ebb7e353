/**
 * Delivers what waits in the outbox over every channel that is set up. Each message is claimed, sent and
 * acknowledged on its own; what is left when the time is up, or is claimed by a function that dies, is
 * taken up by the next run.
 */
import { z } from "zod";
import { toTelegram } from "../render/document.ts";
import { PlatformEnv } from "../http/env.ts";
import { messageDocument } from "../render/render_message.ts";
import {
  type Channels,
  type Claimed,
  claimMessages,
  noteSent,
  noteUnsent,
} from "../protocol/strata_outbox.ts";
import {
  type Outcome,
  sendTelegram,
  telegramApi,
  TelegramEnv,
  telegramSettings,
} from "./telegram.ts";
import { sendWebhook, WebhookEnv, webhookSettings } from "./webhook.ts";
import type { Deps } from "../http/wire.ts";

/** What a function that delivers is started with; a channel without its variables is off. */
export const ChannelsEnv = PlatformEnv.extend({ ...TelegramEnv, ...WebhookEnv });
/** What a function that delivers is started with. */
export type ChannelsEnv = z.infer<typeof ChannelsEnv>;

/** Less than a self-hosted worker's 60 s, and than a lease. */
const TIME_MS = 45_000;
/** What one claim takes: each is sent well within its lease. */
const CLAIM = 4;
/** More than any backlog; a fault must not send for ever. */
const MOST = 100;

/** What became of one message on one channel. */
export interface Delivery {
  key: string;
  channel: string;
  outcome: Outcome["outcome"];
  says?: string;
}

/** Sends what is due until nothing is left or the time is up. */
export async function deliver(deps: Deps<ChannelsEnv>): Promise<Delivery[]> {
  const deadline = deps.now() + TIME_MS;
  const channels = await hashes(deps.env);
  const made: Delivery[] = [];
  while (made.length < MOST && deps.now() < deadline) {
    const claimed = await claimMessages(deps.rpc, channels, CLAIM);
    if (claimed.length === 0) break;
    for (const [at, message] of claimed.entries()) {
      if (at > 0) await deps.sleep(1_000); // what Telegram lets through to one chat
      made.push(await sendOne(deps, message, deadline));
    }
  }
  const failed = made.filter(({ outcome }) => outcome !== "sent");
  if (made.length > 0) deps.log("delivered", { sent: made.length - failed.length, failed });
  return made;
}

/** Sends one message and notes how it went, whatever went wrong. */
async function sendOne(
  deps: Deps<ChannelsEnv>,
  message: Claimed,
  deadline: number,
): Promise<Delivery> {
  const { key, channel } = message;
  const outcome = await (channel === "telegram" ? overTelegram : overWebhook)(
    deps,
    message,
    deadline,
  ).catch((error): Outcome => {
    deps.log("send_failed", { key, channel, error });
    return { outcome: "uncertain", code: "internal", says: "a fault of the function, see its log" };
  });
  if (outcome.outcome === "sent") {
    await noteSent(deps.rpc, message, Number(outcome.receipt["parts"] ?? 1), true, outcome.receipt);
    return { key, channel, outcome: "sent" };
  }
  await noteUnsent(deps.rpc, message, outcome);
  return { key, channel, outcome: outcome.outcome, says: `${outcome.says} [${outcome.code}]` };
}

async function overTelegram(
  deps: Deps<ChannelsEnv>,
  message: Claimed,
  deadline: number,
): Promise<Outcome> {
  const settings = telegramSettings(deps.env);
  if (settings === undefined) return notConfigured("TELEGRAM_BOT_TOKEN");
  const api = telegramApi(deps, settings);
  const html = toTelegram(messageDocument(message));
  const send = (chat: string, text: string) =>
    sendTelegram(deps, api, {
      chat,
      html: text,
      footer: (part, parts) => footer(message, part, parts),
      silent: message.silent,
      from: message.parts_sent,
      deadline,
      sent: (part, parts, receipt) =>
        part === parts
          ? Promise.resolve(true) // noted together with the end
          : noteSent(deps.rpc, message, part, false, receipt),
    });
  if (message.audience === "owner" || settings.adminChat === settings.chat) {
    return await send(settings.chat, html);
  }
  const outcome = await send(settings.adminChat, html);
  if (outcome.outcome !== "stop" || outcome.code === "401") return outcome;
  // An admin chat that refuses us must not silence the owner's.
  return await send(settings.chat, `${html}\n\nTELEGRAM_ADMIN_CHAT_ID takes no messages.`);
}

/** How a reader knows a message again. */
function footer({ tier, message, perhaps_sent }: Claimed, part: number, parts: number): string {
  const number = parts === 1 ? message : `${message}, ${part}/${parts}`;
  return `<i>${tier} · ${number}${perhaps_sent ? " · perhaps you have it already" : ""}</i>`;
}

async function overWebhook(
  deps: Deps<ChannelsEnv>,
  message: Claimed,
  deadline: number,
): Promise<Outcome> {
  const settings = webhookSettings(deps.env);
  if (settings === undefined) return notConfigured("STRATA_WEBHOOK_URL");
  const { key, kind, audience, severity, tier, made_at, attempt, perhaps_sent, body } = message;
  return await sendWebhook(deps, settings, {
    id: `${tier}/${message.message}`,
    type: `strata.${kind}`,
    data: { key, audience, severity, tier, made_at, attempt, perhaps_sent, body },
    deadline,
  });
}

function notConfigured(name: string): Outcome {
  return { outcome: "retry", code: "unset", says: `${name} is not set any more` };
}

/** A hash of each channel's variables: whoever changes them wants another try. */
async function hashes(env: ChannelsEnv): Promise<Channels> {
  return {
    telegram: await hashOf(telegramSettings(env)),
    webhook: await hashOf(webhookSettings(env)),
  };
}

async function hashOf(settings: object | undefined): Promise<string | null> {
  if (settings === undefined) return null;
  const bytes = new TextEncoder().encode(JSON.stringify(settings));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest.slice(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
