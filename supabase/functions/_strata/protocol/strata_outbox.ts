/** The outbox of a tier over REST: what is to be told, and how it went. */
import { z } from "zod";
import type { Rpc } from "./strata_rpc.ts";
import type { Outcome } from "../outbound/telegram.ts";

/** Something a person should know. */
export const AlertLine = z.object({
  kind: z.string(),
  tier: z.string(),
  subject: z.string(),
  severity: z.enum(["info", "warning", "critical"]),
  says: z.string(),
  remedy: z.string().nullable(),
  since: z.string(),
  cleared_at: z.string().nullable(),
});
/** Something a person should know. */
export type AlertLine = z.infer<typeof AlertLine>;

const Message = z.object({
  message: z.string(),
  key: z.string(),
  kind: z.enum(["alert", "clear", "digest", "report", "notice"]),
  audience: z.enum(["owner", "admin"]),
  severity: z.enum(["info", "warning", "critical"]),
  tier: z.string(),
  made_at: z.string(),
  /** To be delivered without a sound. */
  silent: z.boolean(),
  body: z.record(z.string(), z.unknown()),
});
/** What is to be told. */
export type Message = z.infer<typeof Message>;

const Claimed = Message.extend({
  channel: z.enum(["telegram", "webhook"]),
  lease: z.uuid(),
  attempt: z.int(),
  parts_sent: z.int(),
  /** An earlier attempt may have reached its reader. */
  perhaps_sent: z.boolean(),
});
/** A message that is ours to send over one channel, until its lease is over. */
export type Claimed = z.infer<typeof Claimed>;

/** Each channel with a hash of its configuration; null: it is not configured. */
export type Channels = Record<"telegram" | "webhook", string | null>;

const ChannelState = z.object({
  channel: z.string(),
  state: z.enum(["unknown", "off", "stopped", "on"]),
  says: z.string(),
});
const Preview = z.object({ channels: z.array(ChannelState), messages: z.array(Message) });

/** Takes messages that are due, at most so many. */
export async function claimMessages(rpc: Rpc, channels: Channels, limit: number) {
  return z.array(Claimed).parse(
    await rpc("claim_messages", {
      p_telegram: channels.telegram,
      p_webhook: channels.webhook,
      p_limit: limit,
    }),
  );
}

/** Notes that so many parts are out; false: somebody else has taken the message over. */
export async function noteSent(
  rpc: Rpc,
  { message, channel, lease }: Claimed,
  parts: number,
  done: boolean,
  receipt: Record<string, unknown>,
): Promise<boolean> {
  return z.boolean().parse(
    await rpc("note_sent", {
      p_message: message,
      p_channel: channel,
      p_lease: lease,
      p_parts: parts,
      p_done: done,
      p_receipt: JSON.stringify([receipt]),
    }),
  );
}

/** Notes that a message is not out, and why. */
export async function noteUnsent(
  rpc: Rpc,
  { message, channel, lease }: Claimed,
  { outcome, code, says, after }: Exclude<Outcome, { outcome: "sent" }>,
): Promise<boolean> {
  return z.boolean().parse(
    await rpc("note_unsent", {
      p_message: message,
      p_channel: channel,
      p_lease: lease,
      p_outcome: outcome,
      p_code: code,
      p_says: says,
      p_retry_after: after === undefined ? null : Math.ceil(after),
    }),
  );
}

/** What would be sent now, and over which channels. */
export async function previewMessages(rpc: Rpc) {
  return Preview.parse(await rpc("preview_messages"));
}

/** Puts a line of one's own into the outbox; null: something was told under that key already. */
export async function tellNotice(
  rpc: Rpc,
  key: string,
  { title, text }: { title: string; text: string },
): Promise<{ message: string; silent: boolean } | null> {
  const told = await rpc("tell_notice", { p_key: key, p_title: title, p_text: text });
  return Message.pick({ message: true, silent: true }).nullable().parse(told);
}
