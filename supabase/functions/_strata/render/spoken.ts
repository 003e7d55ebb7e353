/**
 * Has a text spoken, and never for more than may be spent: its characters are counted before each attempt
 * (strata.reserve_cost), and an attempt whose answer was lost stays counted, because it may be charged.
 */
import { type Audio, audioOf } from "../outbound/audio.ts";
import {
  type AudioFormat,
  type ElevenLabsSettings,
  speak,
  type Speech,
} from "../outbound/elevenlabs.ts";
import type { Log } from "../http/log.ts";
import type { OutboundDeps } from "../outbound/outbound.ts";
import type { Rpc } from "../protocol/strata_rpc.ts";
import {
  type Limit,
  noteExhausted,
  releaseCost,
  reserveCost,
  settleCost,
} from "../protocol/strata_voice.ts";

/** What is to be spoken. */
export interface Script {
  text: string;
  language: string;
  voice: string;
  model: string;
  /** What it is for: a kind of strata.budgets, and a line for the ledger. */
  kind: string;
  says: string;
  /** By `now()`. */
  deadline: number;
}

/** Why something is not spoken. */
export type Unspoken = Limit | "refused" | "unavailable";

/** Sound and what it cost, or why there is none. */
export type Spoken =
  | { audio: Uint8Array; kind: Audio; costId: string; usd: number }
  /** `code`: the service's own word for it, for the log. */
  | { unspoken: Unspoken; code: string };

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 500;
/** A longer wait is not worth a briefing's while. */
const LONGEST_PAUSE_MS = 10_000;

/** What speaking needs of the world. */
export interface SpeakerDeps extends OutboundDeps {
  rpc: Rpc;
  log: Log;
}

/** Has a text spoken, within the limits and the time. */
export async function spoken(
  deps: SpeakerDeps,
  settings: ElevenLabsSettings,
  script: Script,
): Promise<Spoken> {
  const { rpc } = deps;
  let format: AudioFormat = "opus_48000_64";
  let reserved: { id: string; usd: number } | undefined;
  let code = "";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    if (reserved === undefined) {
      const units = [...script.text].length;
      const { model, kind, says } = script;
      const { cost_id, denied_by, usd } = await reserveCost(rpc, { model, kind, units, says });
      if (cost_id === null) return { unspoken: denied_by ?? "day", code };
      reserved = { id: cost_id, usd: usd ?? 0 };
    }
    const speech: Speech = await speak(deps, settings, { ...script, format });
    const pause = FIRST_PAUSE_MS * 2 ** (attempt - 1);
    switch (speech.outcome) {
      case "spoken": {
        const usd = await settle(deps, reserved, speech.credits);
        const kind = audioOf(speech.audio);
        if (kind !== undefined) return { audio: speech.audio, kind, costId: reserved.id, usd };
        code = "no_audio"; // paid for, and of no use: the other format is another purchase
        reserved = undefined;
        if (format === "mp3_44100_64") return { unspoken: "unavailable", code };
        format = "mp3_44100_64";
        break;
      }
      case "exhausted":
        await releaseCost(rpc, reserved.id);
        await noteExhausted(rpc);
        return { unspoken: "exhausted", code: "quota_exceeded" };
      case "refused":
        await releaseCost(rpc, reserved.id);
        return { unspoken: "refused", code: speech.code };
      case "lost":
        await settle(deps, reserved);
        reserved = undefined;
        code = speech.code;
        if (!await mayWait(deps, script, pause)) return { unspoken: "unavailable", code };
        break;
      case "busy":
        code = speech.code;
        if (attempt < ATTEMPTS && await mayWait(deps, script, speech.afterMs ?? pause)) break;
        await releaseCost(rpc, reserved.id);
        return { unspoken: "unavailable", code };
    }
  }
  return { unspoken: "unavailable", code };
}

/** Says what it has cost. A reservation that cannot be settled counts in full, which is no reason to be silent. */
async function settle(
  { rpc, log }: SpeakerDeps,
  { id, usd }: { id: string; usd: number },
  credits?: number,
): Promise<number> {
  try {
    return await settleCost(rpc, id, credits);
  } catch (error) {
    log("cost_not_settled", { error });
    return usd;
  }
}

/** Waits, unless that would take too long. */
async function mayWait(
  deps: OutboundDeps,
  { deadline }: Script,
  pause: number,
): Promise<boolean> {
  if (pause > LONGEST_PAUSE_MS || deps.now() + pause >= deadline) return false;
  await deps.sleep(pause);
  return true;
}
