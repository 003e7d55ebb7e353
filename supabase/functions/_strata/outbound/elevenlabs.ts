/**
 * ElevenLabs over its REST API: speech, voices, and what is left of the month's credits.
 *
 * With `fetch` and not with ElevenLabs' own client: that brings 23,531 files, 27 MB and six more packages,
 * takes 1.8 s to load and 150 MB of memory, in a runtime that has 2 s and 256 MB for everything.
 */
import { z } from "zod";
import { KeyAddress } from "../http/env.ts";
import { type Answer, callOut, type OutboundDeps, OutboundError } from "./outbound.ts";

/** A voice of ElevenLabs' own that every account has and that speaks English and German. */
const DEFAULT_VOICE = "JBFqnCBsd6RMkjVDRZzb";

/** The variables of a function that speaks. */
export const ElevenLabsEnv = {
  ELEVENLABS_API_KEY: z.string().regex(/^[\w-]{16,}$/).optional(),
  ELEVENLABS_VOICE_ID: z.string().regex(/^[A-Za-z0-9]{10,40}$/).default(DEFAULT_VOICE),
  /** Another address of the same API. */
  ELEVENLABS_API_ROOT: KeyAddress.default("https://api.elevenlabs.io"),
};

/** What of them is set. */
export interface ElevenLabsSettings {
  key: string;
  voice: string;
  root: string;
}

/** The settings; undefined while there is no key. */
export function elevenLabsSettings(env: {
  ELEVENLABS_API_KEY?: string | undefined;
  ELEVENLABS_VOICE_ID: string;
  ELEVENLABS_API_ROOT: string;
}): ElevenLabsSettings | undefined {
  const { ELEVENLABS_API_KEY: key, ELEVENLABS_VOICE_ID: voice, ELEVENLABS_API_ROOT: root } = env;
  return key === undefined ? undefined : { key, voice, root };
}

/** The formats that are asked for: one that Telegram plays as a voice message, and one that everybody plays. */
export type AudioFormat = "opus_48000_64" | "mp3_44100_64";

/** What is to be said, and how. */
export interface SpeechRequest {
  text: string;
  voice: string;
  model: string;
  language: string;
  format: AudioFormat;
  /** By `now()`. */
  deadline: number;
}

/** How an attempt to have something said went. */
export type Speech =
  /** `credits`: what the service says it took. */
  | { outcome: "spoken"; audio: Uint8Array; credits: number | undefined }
  /** No credits are left until the next reset. */
  | { outcome: "exhausted" }
  /** It will not say this, now or later. */
  | { outcome: "refused"; code: string }
  /** It did not say this now. Nothing was charged. */
  | { outcome: "busy"; code: string; afterMs: number | undefined }
  /** The answer was lost: it may have been charged. */
  | { outcome: "lost"; code: string };

const Problem = z.object({
  detail: z.union([
    z.object({ status: z.string(), message: z.string().optional() }),
    z.array(z.object({ msg: z.string().optional() })),
    z.string(),
  ]),
});

/** A minute of speech takes a few seconds; longer than this means that nobody is at work. */
const SPEECH_TIMEOUT_MS = 25_000;
const QUESTION_TIMEOUT_MS = 5_000;
/** Ten minutes of speech. */
const MAX_AUDIO_BYTES = 8 * 1024 * 1024;

/** Has a text spoken: one attempt. */
export async function speak(
  deps: OutboundDeps,
  settings: ElevenLabsSettings,
  { text, voice, model, language, format, deadline }: SpeechRequest,
): Promise<Speech> {
  const url = new URL(`${settings.root}/v1/text-to-speech/${encodeURIComponent(voice)}`);
  url.searchParams.set("output_format", format);
  // eleven_multilingual_v2 hears for itself which language it is and refuses to be told.
  const knowsLanguages = /_v2_5$|_v3$/.test(model);
  const body = { text, model_id: model, ...(knowsLanguages ? { language_code: language } : {}) };
  try {
    const answer = await callOut(deps, {
      url,
      init: {
        method: "POST",
        headers: { "xi-api-key": settings.key, "content-type": "application/json" },
        body: JSON.stringify(body),
      },
      deadline,
      timeoutMs: SPEECH_TIMEOUT_MS,
      maxBytes: MAX_AUDIO_BYTES,
      attempts: 1, // another attempt may cost again: that is the caller's to decide
      repeatable: false,
    });
    return answer.status === 200 ? spoken(answer) : notSpoken(answer);
  } catch (error) {
    if (error instanceof OutboundError) return { outcome: "lost", code: error.code };
    throw error;
  }
}

function spoken({ bytes, headers }: Answer): Speech {
  const credits = headers.get("character-cost");
  return {
    outcome: "spoken",
    audio: bytes,
    credits: credits !== null && /^\d+(\.\d+)?$/.test(credits) ? Number(credits) : undefined,
  };
}

function notSpoken(answer: Answer): Speech {
  const code = problemCode(answer);
  if (answer.status === 401 && code === "quota_exceeded") return { outcome: "exhausted" };
  if (answer.status === 429 || answer.status === 425 || answer.status >= 500) {
    const seconds = Number(answer.headers.get("retry-after") ?? NaN);
    return {
      outcome: "busy",
      code,
      afterMs: Number.isFinite(seconds) ? seconds * 1_000 : undefined,
    };
  }
  // A 2xx that is no 200, a redirect: whatever was done, it was not what we asked for.
  if (answer.status < 400) return { outcome: "lost", code: String(answer.status) };
  return { outcome: "refused", code };
}

/** The service's own word for what is wrong, or the status where it gives none. */
function problemCode(answer: Answer): string {
  const problem = Problem.safeParse(answer.json());
  const detail = problem.success ? problem.data.detail : undefined;
  const code = typeof detail === "object" && "status" in detail ? detail.status : "";
  return /^[a-z0-9_]{1,60}$/.test(code) ? code : String(answer.status);
}

const Subscription = z.object({
  tier: z.string(),
  character_count: z.number().min(0),
  character_limit: z.number().min(0),
  next_character_count_reset_unix: z.number().nullish(),
});

/** The month's credits as the service counts them. */
export interface Credits {
  plan: string;
  used: number;
  amount: number;
  resetsAt: string | null;
}

/** An answer to a question that costs nothing, or why there is none. */
export type Asked<Value> = { value: Value } | { trouble: string };

/** What is left of the month's credits. A key may speak without being allowed to ask this. */
export async function credits(
  deps: OutboundDeps,
  settings: ElevenLabsSettings,
  deadline: number,
): Promise<Asked<Credits>> {
  const asked = await ask(deps, settings, "/v1/user/subscription", Subscription, deadline);
  if ("trouble" in asked) return asked;
  const { tier, character_count, character_limit, next_character_count_reset_unix } = asked.value;
  const reset = next_character_count_reset_unix;
  return {
    value: {
      plan: tier,
      used: character_count,
      amount: character_limit,
      resetsAt: reset === null || reset === undefined ? null : new Date(reset * 1000).toISOString(),
    },
  };
}

const Voices = z.object({
  voices: z.array(z.object({
    voice_id: z.string(),
    name: z.string().nullish(),
    category: z.string().nullish(),
    labels: z.record(z.string(), z.string().nullable()).nullish(),
  })),
});

/** A voice the account may use. */
export interface Voice {
  voice_id: string;
  name: string;
  category: string;
  labels: Readonly<Record<string, string | null>>;
}

/** The voices the account may use. */
export async function voices(
  deps: OutboundDeps,
  settings: ElevenLabsSettings,
  deadline: number,
): Promise<Asked<Voice[]>> {
  const asked = await ask(deps, settings, "/v1/voices", Voices, deadline);
  if ("trouble" in asked) return asked;
  return {
    value: asked.value.voices.map(({ voice_id, name, category, labels }) => ({
      voice_id,
      name: name ?? voice_id,
      category: category ?? "",
      labels: labels ?? {},
    })),
  };
}

async function ask<Value>(
  deps: OutboundDeps,
  { root, key }: ElevenLabsSettings,
  path: string,
  schema: z.ZodType<Value>,
  deadline: number,
): Promise<Asked<Value>> {
  try {
    const answer = await callOut(deps, {
      url: `${root}${path}`,
      init: { headers: { "xi-api-key": key } },
      deadline,
      timeoutMs: QUESTION_TIMEOUT_MS,
      attempts: 2,
      repeatable: true,
    });
    if (answer.status !== 200) return { trouble: problemCode(answer) };
    const read = schema.safeParse(answer.json());
    return read.success ? { value: read.data } : { trouble: "malformed" };
  } catch (error) {
    if (error instanceof OutboundError) return { trouble: error.code };
    throw error;
  }
}
