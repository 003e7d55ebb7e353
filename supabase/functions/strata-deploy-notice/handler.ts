/**
 * deploy-notice: a webhook for CI. One line to Telegram when something was deployed or failed, spoken if
 * the budget of its kind allows.
 *
 *   POST   an event of GitHub, Gitea or Forgejo, or one of one's own, signed over its body with
 *          DEPLOY_WEBHOOK_SECRET: `X-Hub-Signature-256: sha256=<hex>` or `X-Gitea-Signature: <hex>`;
 *          `?dry_run=1` says what would be told
 *
 * The key of the notice is the hash of the signed body, so that a body that is sent again is refused
 * whatever its headers say; one whose own time is more than a day ago is refused as well, so that what
 * has been forgotten cannot come back. What is told in the quiet hours is not spoken.
 */
import { verify } from "@octokit/webhooks-methods";
import { z } from "zod";
import { ChannelsEnv, deliver } from "../_strata/outbound/deliver.ts";
import { HttpError } from "../_strata/http/errors.ts";
import { ElevenLabsEnv } from "../_strata/outbound/elevenlabs.ts";
import { type Handler, Nothing, route, router, type Signed } from "../_strata/http/http.ts";
import { tellNotice } from "../_strata/protocol/strata_outbox.ts";
import { hex } from "../_strata/http/wake.ts";
import type { Deps } from "../_strata/http/wire.ts";
import { speakLine } from "./speak.ts";
import { type Notice, readEvent, spokenNotice } from "./events.ts";

/** What the function is started with. Without the secret nobody is let in. */
export const Env = ChannelsEnv.extend({
  ...ElevenLabsEnv,
  DEPLOY_WEBHOOK_SECRET: z.string().regex(/^[\x21-\x7e]{16,200}$/).optional(),
});
/** What the function is started with. */
export type Env = z.infer<typeof Env>;

/** Has a line spoken; says why when it does not. */
export type Speak = (deps: Deps<Env>, line: string) => Promise<string>;

/** GitHub sends up to 25 MB, but not of these events. */
const MAX_BYTES = 1024 * 1024;
const DAY_MS = 86_400_000;
/** Clocks differ. */
const AHEAD_MS = 10 * 60_000;

/** Builds the function; `speak` is what makes a line of text heard. */
export function createHandler(deps: Deps<Env>, speak: Speak = speakLine): Handler {
  return router(deps, {
    POST: route({
      access: signature(deps.env.DEPLOY_WEBHOOK_SECRET),
      body: z.unknown(),
      query: Nothing,
      previews: true,
      maxBytes: MAX_BYTES,
      run: ({ request, body, bytes, dryRun }) => {
        return tell(deps, speak, { event: eventOf(request), body, bytes, dryRun });
      },
    }),
  });
}

const UNSET =
  "Nobody is let in: this function has no DEPLOY_WEBHOOK_SECRET. Write one of 16 characters or more into " +
  "supabase/functions/.env, run `deno task deploy`, and give the sender the same.";

interface Delivery {
  event: string;
  body: unknown;
  bytes: Uint8Array;
  dryRun: boolean;
}

async function tell(
  deps: Deps<Env>,
  speak: Speak | undefined,
  { event, body, bytes, dryRun }: Delivery,
): Promise<Response> {
  const read = readEvent(event, body);
  if ("problem" in read) throw new HttpError(400, "invalid_body", read.problem);
  if ("ignored" in read) return Response.json({ told: false, ignored: read.ignored });
  const { notice } = read;
  const age = deps.now() - notice.at.getTime();
  if (age > DAY_MS || age < -AHEAD_MS) {
    throw new HttpError(
      409,
      "stale",
      "The event is not of the last 24 hours, by its own time. Send it when it happens, or mend the sender's clock.",
    );
  }
  if (dryRun) return Response.json({ told: false, title: notice.title, text: notice.text });
  const told = await tellNotice(deps.rpc, `deploy/${await hash(bytes)}`, notice);
  if (told === null) {
    throw new HttpError(
      409,
      "replayed",
      "This event was told already, and is not told twice. Another one needs another time in its body.",
    );
  }
  deps.background(sendAndSpeak(deps, told.silent ? undefined : speak, notice));
  return Response.json({ told: true, message: told.message }, { status: 202 });
}

async function sendAndSpeak(
  deps: Deps<Env>,
  speak: Speak | undefined,
  notice: Notice,
): Promise<void> {
  await deliver(deps);
  if (speak !== undefined) deps.log("spoken", { says: await speak(deps, spokenNotice(notice)) });
}

function eventOf({ headers }: Request): string {
  return headers.get("x-github-event") ?? headers.get("x-gitea-event") ??
    headers.get("x-forgejo-event") ?? "";
}

/** Without the secret, or with anything else than a signature in the header, no body is read. */
function signature(secret: string | undefined): Signed {
  const given = ({ headers }: Request) => {
    const text = headers.get("x-hub-signature-256") ?? headers.get("x-gitea-signature") ?? "";
    return /^(?:sha256=)?([0-9a-f]{64})$/i.exec(text)?.[1]?.toLowerCase();
  };
  return {
    wrong:
      "The signature is not that of this body. Sign the body byte for byte as it is sent, with the same " +
      "DEPLOY_WEBHOOK_SECRET that this function has among its secrets.",
    says: secret === undefined
      ? UNSET
      : "Sign the body with DEPLOY_WEBHOOK_SECRET (HMAC-SHA256) in the header " +
        "X-Hub-Signature-256: sha256=<hex>, or X-Gitea-Signature: <hex>.",
    mayBe: (request) => secret !== undefined && given(request) !== undefined,
    async isGenuine(request, bytes) {
      const digits = given(request);
      if (secret === undefined || digits === undefined || bytes.length === 0) return false;
      let text: string;
      try {
        text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
      } catch {
        return false; // no JSON, and not what was signed
      }
      return await verify(secret, text, `sha256=${digits}`); // in constant time, by WebCrypto
    },
  };
}

async function hash(bytes: Uint8Array): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))));
}
