/**
 * voice: the spoken briefing of the morning.
 *
 *   GET                        what would be said now, and what it would cost; calls nobody
 *   GET ?action=history        the last briefings
 *   GET ?action=voices         the voices the account may use
 *   GET ?action=estimate       what today's briefing would cost
 *   POST {"action": "send"}    answers 202 and sends today's, once ("wait": true waits); a wake (wake.ts)
 *                              sends those that are due
 *   POST {"action": "test"}    says one sentence to the chat
 *
 * Every action of GET is one of POST, too. `owner` says whose briefing is meant; without it, send is for
 * everybody who wants one, and the others for "owner".
 */
import { z } from "zod";
import {
  credits,
  ElevenLabsEnv,
  elevenLabsSettings,
  voices,
} from "../_strata/outbound/elevenlabs.ts";
import { PlatformEnv } from "../_strata/http/env.ts";
import { DatabaseError, HttpError } from "../_strata/http/errors.ts";
import { type Handler, Nothing, plainText, route, router, woken } from "../_strata/http/http.ts";
import {
  briefingFacts,
  briefingLog,
  briefingOwners,
  briefingsToSend,
  estimateCost,
} from "../_strata/protocol/strata_voice.ts";
import { TelegramEnv, telegramSettings } from "../_strata/outbound/telegram.ts";
import type { Deps } from "../_strata/http/wire.ts";
import { measure } from "./compose.ts";
import { BRIEFING, costOf, describe, limitsOf, planBriefing } from "./plan.ts";
import { type Result, sendBriefing, type Services } from "./send.ts";
import { tryOut } from "./try_out.ts";

/** What the function is started with; without ElevenLabs' key it writes, without Telegram it only shows. */
export const Env = PlatformEnv.extend({ ...TelegramEnv, ...ElevenLabsEnv });
/** What the function is started with. */
export type Env = z.infer<typeof Env>;

const Owner = z.string().regex(/^[a-z0-9_-]{1,40}$/);
const MOST_DAYS = 100;
const LONGEST_TEXT = 5_000;
const QUESTION_MS = 12_000;

const Query = z.strictObject({
  action: z.enum(["preview", "history", "voices", "estimate"]).default("preview"),
  owner: Owner.default("owner"),
  limit: z.coerce.number().int().min(1).max(MOST_DAYS).default(14),
});

const Body = z.discriminatedUnion("action", [
  z.strictObject({ action: z.literal("preview"), owner: Owner.default("owner") }),
  z.strictObject({
    action: z.literal("send"),
    owner: Owner.optional(),
    wait: z.boolean().default(false),
  }),
  z.strictObject({
    action: z.literal("history"),
    owner: Owner.default("owner"),
    limit: z.int().min(1).max(MOST_DAYS).default(14),
  }),
  z.strictObject({ action: z.literal("voices") }),
  z.strictObject({
    action: z.literal("estimate"),
    owner: Owner.default("owner"),
    text: plainText(LONGEST_TEXT).optional(),
  }),
  z.strictObject({ action: z.literal("test"), owner: Owner.default("owner") }),
]);
type Body = z.infer<typeof Body>;

const Woken = z.strictObject({ action: z.literal("send") });

/** Builds the function. */
export function createHandler(deps: Deps<Env>): Handler {
  return router(deps, {
    GET: route({
      body: Nothing,
      query: Query,
      run: ({ query }) => known(look(deps, query)),
    }),
    POST: route({
      body: Body,
      query: Nothing,
      previews: true,
      wake: woken(Woken, async () => {
        const due = await briefingsToSend(deps.rpc);
        if (due.length > 0) deps.background(sendAll(deps, services(deps), due));
        return Response.json({ accepted: true }, { status: 202 });
      }),
      run: ({ body, dryRun }) => known(act(deps, body, dryRun)),
    }),
  });
}

async function act(deps: Deps<Env>, body: Body, dryRun: boolean): Promise<unknown> {
  switch (body.action) {
    case "send":
      return dryRun
        ? { briefings: await previews(deps, body.owner) }
        : await send(deps, body.owner, body.wait);
    case "test":
      return await tryOut(deps, services(deps), body.owner, dryRun);
    default:
      return await look(deps, body);
  }
}

/** A question: which one, about whom, how far back, about which text. */
interface Question {
  action: "preview" | "history" | "voices" | "estimate";
  owner?: string;
  limit?: number;
  text?: string | undefined;
}

async function look(deps: Deps<Env>, question: Question): Promise<unknown> {
  const { action, owner = "owner", limit = 14, text } = question;
  switch (action) {
    case "preview":
      return await preview(deps, owner);
    case "history":
      return await history(deps, owner, limit);
    case "voices":
      return await listVoices(deps);
    case "estimate":
      return await estimate(deps, owner, text);
  }
}

async function send(deps: Deps<Env>, owner: string | undefined, wait: boolean): Promise<unknown> {
  const means = services(deps);
  const owners = owner === undefined ? await briefingOwners(deps.rpc) : [owner];
  if (owner !== undefined) await briefingFacts(deps.rpc, owner); // who is not there is refused at once
  const work = sendAll(deps, means, owners);
  if (wait) return { briefings: await work };
  deps.background(work);
  return Response.json({ accepted: true, owners }, { status: 202 });
}

/** One after the other; one that fails leaves the others alone. */
async function sendAll(deps: Deps<Env>, means: Services, owners: string[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const owner of owners) {
    try {
      results.push(await sendBriefing(deps, means, owner));
    } catch (error) {
      deps.log("send_failed", { owner, error });
      const says = "the function failed; its log says why";
      results.push({ owner, day: "", state: "failed", says });
    }
  }
  return results;
}

async function previews(deps: Deps<Env>, owner: string | undefined): Promise<unknown[]> {
  const owners = owner === undefined ? await briefingOwners(deps.rpc) : [owner];
  const shown = [];
  for (const one of owners) shown.push(await preview(deps, one));
  return shown;
}

async function preview(deps: Deps<Env>, owner: string) {
  const facts = await briefingFacts(deps.rpc, owner);
  const voice = elevenLabsSettings(deps.env);
  const plan = await planBriefing(deps.rpc, facts, voice !== undefined);
  return {
    ...describe(plan, facts),
    voice: facts.owner.voice_id ?? deps.env.ELEVENLABS_VOICE_ID,
    model: facts.owner.model,
    configured: {
      telegram: telegramSettings(deps.env) !== undefined,
      elevenlabs: voice !== undefined,
    },
  };
}

async function history(deps: Deps<Env>, owner: string, limit: number) {
  return { owner, briefings: await briefingLog(deps.rpc, owner, limit) };
}

async function estimate(deps: Deps<Env>, owner: string, text?: string) {
  const facts = await briefingFacts(deps.rpc, owner);
  const { text: planned } = text === undefined
    ? await planBriefing(deps.rpc, facts, true)
    : { text };
  const size = measure(planned);
  const { model } = facts.owner;
  const cost = await estimateCost(deps.rpc, { model, kind: BRIEFING, units: size.characters });
  return { owner, model, ...size, fits: cost.fits, cost: costOf(cost), limits: limitsOf(cost) };
}

async function listVoices(deps: Deps<Env>) {
  const settings = elevenLabsSettings(deps.env);
  if (settings === undefined) throw notConfigured("ELEVENLABS_API_KEY");
  const deadline = deps.now() + QUESTION_MS;
  const [found, account] = await Promise.all([
    voices(deps, settings, deadline),
    credits(deps, settings, deadline),
  ]);
  if ("trouble" in found) {
    deps.log("voices_unknown", { code: found.trouble });
    const message = `ElevenLabs does not tell its voices (${found.trouble}).`;
    throw new HttpError(502, "elevenlabs", message);
  }
  return {
    voice: settings.voice,
    voices: found.value,
    credits: "value" in account ? account.value : null,
  };
}

function services(deps: Deps<Env>): Services {
  const telegram = telegramSettings(deps.env);
  if (telegram === undefined) throw notConfigured("TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID");
  return { telegram, voice: elevenLabsSettings(deps.env) };
}

function notConfigured(variables: string): HttpError {
  return new HttpError(409, "not_configured", `Set ${variables} for the functions first.`);
}

/** An owner or a price that is not there is the caller's to mend. */
async function known<Value>(answer: Promise<Value>): Promise<Value> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    if (error.code === "ST093") {
      throw new HttpError(404, "unknown_owner", "There is no such owner.");
    }
    if (error.code === "ST090") {
      const message = "The owner's model has no price in strata.prices.";
      throw new HttpError(409, "unknown_price", message);
    }
    throw error;
  }
}
