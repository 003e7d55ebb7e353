/**
 * A stand-in for ElevenLabs' API, as a real HTTP server: the addresses, answers, prices and refusals of
 * the original for what Strata calls, and every way to fail that the original has, on demand.
 * `deno run -A tests/support/elevenlabs.ts` serves it at a fixed address and prints what it is to say.
 */

/** A way to fail, for one call. */
export type Fault =
  | { status: number; detail: unknown; headers?: Record<string, string> }
  /** Nothing is ever answered. */
  | { hang: true }
  /** The connection breaks in the middle of the audio, which is charged. */
  | { reset: true }
  /** A byte now and then, for ever. */
  | { drip: true }
  /** 200, but these bytes. */
  | { bytes: Uint8Array<ArrayBuffer> };

/** Faults by name, in the words of the original. */
export const FAULTS = {
  invalidKey: { status: 401, detail: { status: "invalid_api_key", message: "Invalid API key" } },
  quota: {
    status: 401,
    detail: { status: "quota_exceeded", message: "This request exceeds your quota of 10000." },
  },
  tooLong: {
    status: 400,
    detail: { status: "max_character_limit_exceeded", message: "A request may have 40000." },
  },
  noVoice: { status: 400, detail: { status: "voice_not_found", message: "No such voice." } },
  invalid: {
    status: 422,
    detail: [{ loc: ["body", "text"], msg: "field required", type: "value_error.missing" }],
  },
  tooMany: {
    status: 429,
    detail: { status: "too_many_concurrent_requests", message: "2 at once are allowed." },
    headers: { "current-concurrent-requests": "2", "maximum-concurrent-requests": "2" },
  },
  busy: { status: 429, detail: { status: "system_busy", message: "Try again later." } },
  internal: { status: 500, detail: "Internal Server Error" },
  unavailable: { status: 503, detail: { status: "unavailable" }, headers: { "retry-after": "1" } },
  hang: { hang: true },
  reset: { reset: true },
  drip: { drip: true },
  malformed: { bytes: new TextEncoder().encode('{"audio": ') },
  notOgg: { bytes: new Uint8Array([0x1a, 0x45, 0xdf, 0xa3, 1, 2, 3, 4]) },
  mp3: { bytes: new Uint8Array([0xff, 0xfb, 0x90, 0x64, ...new Uint8Array(16_000)]) },
  empty: { bytes: new Uint8Array() },
} satisfies Record<string, Fault>;

/** Something that was to be said. */
export interface Said {
  voice: string;
  text: string;
  model: string;
  language: string | null;
  format: string;
}

/** ElevenLabs for one account. */
export interface ElevenLabsServer extends AsyncDisposable {
  url: string;
  key: string;
  /** Every request to speak, also those that failed. */
  asked: Said[];
  /** Every call, as method and path. */
  calls: string[];
  /** The account, as the service keeps it. */
  account: { used: number; limit: number; resetsAt: string; maySeeAccount: boolean };
  /** The next requests to speak fail so, one after the other. */
  fail(...faults: Fault[]): void;
}

const CREDITS: Readonly<Record<string, number>> = {
  eleven_flash_v2_5: 0.5,
  eleven_turbo_v2_5: 0.5,
  eleven_multilingual_v2: 1,
  eleven_v3: 1,
};
const VOICES = [
  {
    voice_id: "JBFqnCBsd6RMkjVDRZzb",
    name: "George",
    category: "premade",
    labels: { accent: "british", gender: "male", use_case: "narration" },
  },
  { voice_id: "EXAVITQu4vr4xnSDxMaL", name: "Sarah", category: "premade", labels: null },
];

/** Starts a server that knows one account. */
export function elevenLabsServer(
  { key = `sk_${"e".repeat(48)}`, port = 0 } = {},
): ElevenLabsServer {
  const faults: Fault[] = [];
  const stop = new AbortController();
  const state: Pick<ElevenLabsServer, "asked" | "calls" | "account"> = {
    asked: [],
    calls: [],
    account: { used: 0, limit: 10_000, resetsAt: "2026-12-01T00:00:00Z", maySeeAccount: true },
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    state.calls.push(`${request.method} ${pathname}`);
    if (request.headers.get("xi-api-key") !== key) return refuse(FAULTS.invalidKey);
    if (pathname === "/v1/user/subscription") return subscription(state.account);
    if (pathname === "/v1/models") {
      return Response.json(Object.keys(CREDITS).map((model_id) => ({ model_id })));
    }
    if (pathname === "/v1/voices") return Response.json({ voices: VOICES });
    if (!pathname.startsWith("/v1/text-to-speech/")) {
      return refuse({ status: 404, detail: "Not Found" });
    }
    const said = await read(request);
    state.asked.push(said);
    const fault = faults.shift() ?? objection(said, state.account);
    if (fault !== undefined && "status" in fault) return refuse(fault);
    const cost = Math.ceil([...said.text].length * (CREDITS[said.model] ?? 1));
    if (fault !== undefined && ("hang" in fault)) {
      await new Promise((resolve) => stop.signal.addEventListener("abort", resolve));
      return new Response(null);
    }
    state.account.used += cost;
    const audio = fault !== undefined && "bytes" in fault ? fault.bytes : audioFor(said);
    return new Response(
      fault === undefined || "bytes" in fault
        ? audio
        : breaking(audio, "drip" in fault, stop.signal),
      {
        headers: {
          "content-type": said.format.startsWith("mp3") ? "audio/mpeg" : "audio/ogg",
          "character-cost": String(cost),
          "request-id": crypto.randomUUID(),
        },
      },
    );
  });
  return Object.assign(state, {
    url: `http://127.0.0.1:${server.addr.port}`,
    key,
    fail: (...more: Fault[]) => void faults.push(...more),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.shutdown();
    },
  });
}

async function read(request: Request): Promise<Said> {
  const { pathname, searchParams } = new URL(request.url);
  const body = await request.json();
  return {
    voice: decodeURIComponent(pathname.split("/").at(-1) ?? ""),
    text: String(body.text ?? ""),
    model: String(body.model_id ?? "eleven_multilingual_v2"),
    language: body.language_code ?? null,
    format: searchParams.get("output_format") ?? "mp3_44100_128",
  };
}

/** What the service itself would say against a request. */
function objection(
  { voice, text, model, language, format }: Said,
  account: { used: number; limit: number },
) {
  if (!VOICES.some(({ voice_id }) => voice_id === voice)) return FAULTS.noVoice;
  if (text === "" || !/^(opus_48000|mp3_44100)_(32|64|128)$/.test(format)) return FAULTS.invalid;
  if (!(model in CREDITS)) {
    return { status: 400, detail: { status: "model_not_found", message: "No such model." } };
  }
  if (language !== null && model === "eleven_multilingual_v2") {
    return {
      status: 400,
      detail: { status: "unsupported_language", message: "Not with this model." },
    };
  }
  if ([...text].length > 10_000) return FAULTS.tooLong;
  const cost = [...text].length * (CREDITS[model] ?? 1);
  return account.used + cost > account.limit ? FAULTS.quota : undefined;
}

function subscription(
  { used, limit, resetsAt, maySeeAccount }: ElevenLabsServer["account"],
): Response {
  if (!maySeeAccount) {
    return refuse({ status: 401, detail: { status: "missing_permissions", message: "user_read" } });
  }
  return Response.json({
    tier: "free",
    character_count: used,
    character_limit: limit,
    next_character_count_reset_unix: Date.parse(resetsAt) / 1000,
    status: "free",
  });
}

/** Sound as it comes: 15 characters a second, in pages of Ogg or frames of MP3, silent. */
function audioFor({ text, format }: Said): Uint8Array<ArrayBuffer> {
  const seconds = Math.max(1, Math.round([...text].length / 15));
  if (format.startsWith("mp3")) {
    const bytes = new Uint8Array(seconds * 8_000);
    bytes.set([0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 0, 0]);
    return bytes;
  }
  return ogg(seconds);
}

/** An Ogg stream of Opus: its head, its tags, and a page of silence for every second. */
export function ogg(seconds: number): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array([..."OpusHead"].map((letter) => letter.charCodeAt(0)));
  const tags = new Uint8Array([..."OpusTags"].map((letter) => letter.charCodeAt(0)));
  const pages = [page(head, 0n, 0, 2), page(tags, 0n, 1, 0)];
  for (let second = 1; second <= seconds; second += 1) {
    pages.push(
      page(new Uint8Array(200), BigInt(second) * 48_000n, second + 1, second === seconds ? 4 : 0),
    );
  }
  const whole = new Uint8Array(pages.reduce((length, one) => length + one.length, 0));
  let at = 0;
  for (const one of pages) {
    whole.set(one, at);
    at += one.length;
  }
  return whole;
}

function page(payload: Uint8Array, granule: bigint, sequence: number, flags: number): Uint8Array {
  const bytes = new Uint8Array(28 + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x4f, 0x67, 0x67, 0x53, 0, flags]);
  view.setBigInt64(6, granule, true);
  view.setUint32(14, 1, true);
  view.setUint32(18, sequence, true);
  bytes[26] = 1;
  bytes[27] = payload.length;
  bytes.set(payload, 28);
  return bytes;
}

/** The first half of something, and then nothing, or a byte now and then. */
function breaking(audio: Uint8Array<ArrayBuffer>, drips: boolean, stop: AbortSignal) {
  let timer: ReturnType<typeof setInterval> | undefined;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(audio.subarray(0, audio.length / 2));
      const end = () => {
        clearInterval(timer);
        try {
          controller.error(new Error("the connection breaks off"));
        } catch {
          // the caller was quicker
        }
      };
      stop.addEventListener("abort", end);
      timer = setInterval(() => drips ? controller.enqueue(new Uint8Array([0])) : end(), 50);
    },
    cancel: () => clearInterval(timer),
  });
}

function refuse(
  { status, detail, headers = {} }: {
    status: number;
    detail: unknown;
    headers?: Record<string, string>;
  },
): Response {
  return Response.json({ detail }, { status, headers });
}

if (import.meta.main) {
  const server = elevenLabsServer({ port: 8082 });
  console.log(`ELEVENLABS_API_ROOT=${server.url}\nELEVENLABS_API_KEY=${server.key}`);
  let shown = 0;
  setInterval(() => {
    for (; shown < server.asked.length; shown += 1) console.log(`\n${server.asked[shown]?.text}`);
  }, 200);
}
