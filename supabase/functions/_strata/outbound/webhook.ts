/**
 * A webhook as a second channel: the message as JSON, signed as Standard Webhooks does it
 * (standardwebhooks.com): the receiver checks `webhook-signature` over `webhook-id`,
 * `webhook-timestamp` and the body, and knows a message it has seen by `webhook-id`.
 */
import { Webhook } from "standardwebhooks";
import "@stablelib/base64"; // pinned, as is the next: see wire.ts
import "fast-sha256";
import { z } from "zod";
import { callOut, type OutboundDeps, OutboundError } from "./outbound.ts";
import { isLoopback } from "./safe_address.ts";
import type { Outcome } from "./telegram.ts";

/** An address over which nobody listens in; on this machine there is nobody to do so. */
const HttpsUrl = z.url().refine((text) => {
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
});

/** The variables of a function that calls a webhook. */
export const WebhookEnv = {
  STRATA_WEBHOOK_URL: HttpsUrl.optional(),
  /** What signs: `whsec_` and base64, or any text of 24 characters or more. */
  STRATA_WEBHOOK_SECRET: z.string().regex(
    /^(whsec_[A-Za-z0-9+/]{24,}={0,2}|(?!whsec_)[\x21-\x7e]{24,})$/,
  )
    .optional(),
};

/** Where to, and with what it is signed. */
export interface WebhookSettings {
  url: string;
  secret: string;
}

/** The settings; undefined while one of the two is missing. */
export function webhookSettings(
  env: { STRATA_WEBHOOK_URL?: string | undefined; STRATA_WEBHOOK_SECRET?: string | undefined },
): WebhookSettings | undefined {
  const { STRATA_WEBHOOK_URL: url, STRATA_WEBHOOK_SECRET: secret } = env;
  return url === undefined || secret === undefined ? undefined : { url, secret };
}

/** Posts one message; `id` is the same however often it is sent. */
export async function sendWebhook(
  deps: OutboundDeps,
  { url, secret }: WebhookSettings,
  message: { id: string; type: string; data: unknown; deadline: number },
): Promise<Outcome> {
  const at = new Date(deps.now());
  const body = JSON.stringify({ type: message.type, timestamp: at, data: message.data });
  const signer = new Webhook(secret, secret.startsWith("whsec_") ? undefined : { format: "raw" });
  try {
    const { status, headers } = await callOut(deps, {
      url,
      init: {
        method: "POST",
        body,
        headers: {
          "content-type": "application/json",
          "user-agent": "strata",
          "webhook-id": message.id,
          "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
          "webhook-signature": signer.sign(message.id, at, body),
        },
      },
      deadline: message.deadline,
      attempts: 1,
      repeatable: false,
      maxBytes: 64 * 1024,
    });
    return outcomeOf(status, Number(headers.get("retry-after") ?? Number.NaN));
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    return { outcome: "uncertain", code: error.code, says: "the webhook gave no answer" };
  }
}

function outcomeOf(status: number, after: number): Outcome {
  if (status >= 200 && status < 300) return { outcome: "sent", receipt: { status } };
  const said = { code: String(status), says: `the webhook answered ${status}` };
  const asked = Number.isFinite(after) ? { after } : {};
  if (status === 429 || status === 503) return { outcome: "retry", ...said, ...asked };
  if ([401, 403, 404, 405, 410].includes(status)) return { outcome: "stop", ...said };
  return { outcome: status < 500 ? "refused" : "uncertain", ...said };
}
