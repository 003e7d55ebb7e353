/**
 * Telegram, with grammY's client: one message, cut into as many parts as it needs, and a plain word for
 * how it went. What Telegram says about us (no such bot, blocked, no such chat) stops the channel; what
 * it says about the message refuses that message; no answer leaves open whether it arrived.
 */
import { Api, GrammyError } from "grammy";
import { z } from "zod";
import { KeyAddress } from "../http/env.ts";
import { LONGEST_MESSAGE, splitHtml } from "./split_html.ts";
import type { OutboundDeps } from "./outbound.ts";

/** The variables of a function that writes to Telegram. */
export const TelegramEnv = {
  TELEGRAM_BOT_TOKEN: z.string().regex(/^\d+:[\w-]{20,}$/).optional(),
  TELEGRAM_CHAT_ID: z.string().regex(/^(-?\d+|@\w+)$/).optional(),
  /** Where monthly reports go; without it they go to TELEGRAM_CHAT_ID. */
  TELEGRAM_ADMIN_CHAT_ID: z.string().regex(/^(-?\d+|@\w+)$/).optional(),
  /** A Bot API server of one's own. */
  TELEGRAM_API_ROOT: KeyAddress.optional(),
};

/** What of them is set. */
export interface TelegramSettings {
  token: string;
  chat: string;
  adminChat: string;
  apiRoot?: string;
}

/** The settings; undefined while the bot or the chat is not named. */
export function telegramSettings(
  env: {
    TELEGRAM_BOT_TOKEN?: string | undefined;
    TELEGRAM_CHAT_ID?: string | undefined;
    TELEGRAM_ADMIN_CHAT_ID?: string | undefined;
    TELEGRAM_API_ROOT?: string | undefined;
  },
): TelegramSettings | undefined {
  const { TELEGRAM_BOT_TOKEN: token, TELEGRAM_CHAT_ID: chat, TELEGRAM_API_ROOT: apiRoot } = env;
  if (token === undefined || chat === undefined) return undefined;
  const adminChat = env.TELEGRAM_ADMIN_CHAT_ID ?? chat;
  return { token, chat, adminChat, ...(apiRoot === undefined ? {} : { apiRoot }) };
}

/** How an attempt to tell somebody something went. */
export type Outcome =
  | { outcome: "sent"; receipt: Record<string, unknown> }
  /** `retry`: it is not out. `uncertain`: perhaps it is. `refused`: it never will be. `stop`: nothing will. */
  | {
    outcome: "retry" | "uncertain" | "refused" | "stop";
    code: string;
    says: string;
    after?: number;
  };

/** One call may take so long; a message of Telegram's own takes well under a second. */
const TIMEOUT_SECONDS = 15;
/** A longer wait is left to the next run. */
const LONGEST_NAP_SECONDS = 20;

/** A client for one bot, on whose errors no token shows. */
export function telegramApi(deps: Pick<OutboundDeps, "fetch">, settings: TelegramSettings): Api {
  return new Api(settings.token, {
    timeoutSeconds: TIMEOUT_SECONDS,
    fetch: deps.fetch,
    baseFetchConfig: { redirect: "error" }, // the address holds the token
    ...(settings.apiRoot === undefined ? {} : { apiRoot: settings.apiRoot }),
  });
}

/** What to send, and where from: the part that is not out yet. */
export interface TelegramMessage {
  chat: string;
  html: string;
  /** A line below every part: how the reader recognises the message. */
  footer(part: number, parts: number): string;
  silent: boolean;
  /** Parts that are out already. */
  from: number;
  /** By `now()`: nothing is begun after it. */
  deadline: number;
  /** Called after each part; false: somebody else has taken over. */
  sent(part: number, parts: number, receipt: Record<string, unknown>): Promise<boolean>;
}

/** Sends a message part by part. */
export async function sendTelegram(
  deps: OutboundDeps,
  api: Api,
  message: TelegramMessage,
): Promise<Outcome> {
  const longestFooter = message.footer(99, 99).length + 2;
  const parts = splitHtml(message.html, LONGEST_MESSAGE - longestFooter);
  let receipt: Record<string, unknown> = {};
  for (const [at, part] of parts.entries()) {
    if (at < message.from) continue;
    if (at > message.from) await deps.sleep(1_000); // one message a second and chat
    const text = `${part}\n\n${message.footer(at + 1, parts.length)}`;
    const outcome = await sendPart(deps, api, message, text);
    if (outcome.outcome !== "sent") return outcome;
    receipt = outcome.receipt;
    if (!await message.sent(at + 1, parts.length, receipt)) break;
  }
  return { outcome: "sent", receipt: { ...receipt, parts: parts.length } };
}

async function sendPart(
  deps: OutboundDeps,
  api: Api,
  { chat, silent, deadline }: TelegramMessage,
  html: string,
): Promise<Outcome> {
  const options = {
    disable_notification: silent,
    link_preview_options: { is_disabled: true },
  };
  let plain = false;
  let waited = false;
  while (true) {
    const outcome = await attempt(() =>
      plain
        ? api.sendMessage(chat, plainText(html), options)
        : api.sendMessage(chat, html, { ...options, parse_mode: "HTML" })
    );
    if (outcome.outcome === "refused" && !plain && /can't parse entities/i.test(outcome.says)) {
      plain = true;
      continue;
    }
    const nap = outcome.outcome === "retry" ? outcome.after ?? 0 : 0;
    if (nap === 0 || nap > LONGEST_NAP_SECONDS || waited || deps.now() + nap * 1000 > deadline) {
      return outcome;
    }
    waited = true;
    await deps.sleep(nap * 1000);
  }
}

/** Makes a call and says how it went. */
export async function attempt(call: () => Promise<{ message_id: number }>): Promise<Outcome> {
  try {
    const { message_id } = await call();
    return { outcome: "sent", receipt: { message_id } };
  } catch (error) {
    return error instanceof GrammyError
      ? refusal(error)
      : { outcome: "uncertain", code: "network", says: "Telegram gave no answer" };
  }
}

function refusal({ error_code, description, parameters }: GrammyError): Outcome {
  const code = typeof error_code === "number" ? String(error_code) : "malformed";
  const says = typeof description === "string" ? description : "Telegram's answer makes no sense";
  if (code === "429") {
    return { outcome: "retry", code, says, after: parameters?.retry_after ?? 30 };
  }
  if (parameters?.migrate_to_chat_id !== undefined) {
    const moved = `${says}: the chat is ${parameters.migrate_to_chat_id} now`;
    return { outcome: "stop", code, says: moved };
  }
  if (["401", "403", "404"].includes(code) || /chat.*not found|chat_id is empty/i.test(says)) {
    return { outcome: "stop", code, says };
  }
  if (/^4\d\d$/.test(code)) return { outcome: "refused", code, says };
  return { outcome: "uncertain", code, says };
}

/** The text of Telegram's HTML. */
function plainText(html: string): string {
  return html.replaceAll(/<[^<>]*>/g, "").replaceAll("&lt;", "<").replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}
