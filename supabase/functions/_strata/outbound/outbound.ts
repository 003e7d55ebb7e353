/**
 * Calls to the outside world, which may hang, drip, break off and say "later". A call is over when its
 * whole answer has been read; what takes too long or is too large is given up. 429 and 5xx are tried
 * again after what the other side asks for, or with growing pauses, as long as the deadline allows it:
 * what cannot succeed in time is not begun. Whether a failed attempt may be made again although the
 * other side may have acted on it is the caller's to say (`repeatable`).
 */

/** What a call needs of the world. */
export interface OutboundDeps {
  fetch: typeof fetch;
  /** Milliseconds since 1970. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

/** What to call, and how much patience to have. */
export interface OutboundCall {
  url: string | URL;
  init?: Omit<RequestInit, "signal">;
  /** When the caller must be done, by `now()`. */
  deadline: number;
  /** How long one attempt may take. */
  timeoutMs?: number;
  attempts?: number;
  /** Whether an attempt that got no answer may be made again. */
  repeatable: boolean;
  /** The most that is read of an answer. */
  maxBytes?: number;
  /** How long the other side asks us to wait, when it is not in the header Retry-After. */
  retryAfterMs?(answer: Answer): number | undefined;
}

/** An answer, read to its end. */
export interface Answer {
  status: number;
  headers: Headers;
  bytes: Uint8Array;
  text(): string;
  /** The body as JSON; undefined when it is none. */
  json(): unknown;
}

/** No answer came. The message names neither address nor headers: they may hold secrets. */
export class OutboundError extends Error {
  /** `timeout`: too slow. `network`: no connection, or it broke off. `too_large`: too long an answer. */
  constructor(readonly code: "timeout" | "network" | "too_large", cause?: unknown) {
    super(`The other side gave no answer (${code}).`, { cause });
    this.name = "OutboundError";
  }
}

const FIRST_PAUSE_MS = 500;
const MAX_BYTES = 5 * 1024 * 1024;

/**
 * Makes a call and returns the last answer, also when it is an error's. Throws OutboundError when no
 * attempt got one.
 */
export async function callOut(deps: OutboundDeps, call: OutboundCall): Promise<Answer> {
  const { attempts = 3 } = call;
  for (let made = 1;; made++) {
    const outcome = await attempt(deps, call);
    const pause = pauseAfter(outcome, call, made, deps.now());
    if (made >= attempts || pause === undefined || deps.now() + pause >= call.deadline) {
      if (outcome instanceof OutboundError) throw outcome;
      return outcome;
    }
    await deps.sleep(pause);
  }
}

/** How long to wait before another attempt; undefined: no other attempt would do any good. */
function pauseAfter(
  outcome: Answer | OutboundError,
  call: OutboundCall,
  made: number,
  now: number,
): number | undefined {
  const growing = FIRST_PAUSE_MS * 2 ** (made - 1);
  if (outcome instanceof OutboundError) {
    return call.repeatable && outcome.code !== "too_large" ? growing : undefined;
  }
  const asked = call.retryAfterMs?.(outcome) ?? retryAfter(outcome.headers, now);
  if (outcome.status === 429) return asked ?? growing; // refused, so nothing was done
  if (outcome.status < 500) return undefined;
  return call.repeatable ? asked ?? growing : asked; // one who says "later" has done nothing either
}

/** Seconds, or a date. */
function retryAfter(headers: Headers, now: number): number | undefined {
  const value = headers.get("retry-after");
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

async function attempt(deps: OutboundDeps, call: OutboundCall): Promise<Answer | OutboundError> {
  const { timeoutMs = 10_000, maxBytes = MAX_BYTES } = call;
  const left = Math.min(timeoutMs, call.deadline - deps.now());
  if (left <= 0) return new OutboundError("timeout");
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), left);
  try {
    const response = await deps.fetch(call.url, {
      ...call.init,
      redirect: "error", // the secrets were meant for another
      signal: stop.signal,
    });
    const bytes = await readUpTo(response, maxBytes);
    if (bytes === undefined) return new OutboundError("too_large");
    return answer(response, bytes);
  } catch (error) {
    return new OutboundError(stop.signal.aborted ? "timeout" : "network", error);
  } finally {
    clearTimeout(timer);
    stop.abort(); // whatever of the body is unread is nobody's any more
  }
}

async function readUpTo(response: Response, limit: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > limit) return undefined;
    parts.push(part);
  }
  return joinBytes(parts);
}

/** One array of many. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function answer({ status, headers }: Response, bytes: Uint8Array): Answer {
  const text = () => new TextDecoder().decode(bytes);
  return {
    status,
    headers,
    bytes,
    text,
    json() {
      try {
        return JSON.parse(text());
      } catch {
        return undefined;
      }
    },
  };
}
