/**
 * A stand-in for Telegram's Bot API, as a real HTTP server: the addresses, answers, refusals and limits
 * of the original for what Strata calls, and every way to fail that the original has, on demand.
 * `deno run -A tests/support/telegram.ts` serves it at a fixed address and prints what it is sent.
 */

/** A way to fail, for one call. */
export type Fault =
  | { status: number; description: string; parameters?: Record<string, number> }
  /** Nothing is ever answered; with `accepted` the message is out all the same. */
  | { hang: true; accepted?: true }
  /** The connection breaks in the middle of the answer, after the message was accepted. */
  | { reset: true }
  /** A byte now and then, for ever. */
  | { drip: true }
  /** Accepted, but the answer is this text. */
  | { body: string };

/** Faults by name. */
export const FAULTS = {
  tooMany: (retry_after: number): Fault => ({
    status: 429,
    description: `Too Many Requests: retry after ${retry_after}`,
    parameters: { retry_after },
  }),
  internal: { status: 500, description: "Internal Server Error" },
  badGateway: { body: "<html><body>502 Bad Gateway</body></html>" },
  unauthorized: { status: 401, description: "Unauthorized" },
  blocked: { status: 403, description: "Forbidden: bot was blocked by the user" },
  noChat: { status: 400, description: "Bad Request: chat not found" },
  migrated: {
    status: 400,
    description: "Bad Request: group chat was upgraded to a supergroup chat",
    parameters: { migrate_to_chat_id: -1001234567890 },
  },
  unparsable: {
    status: 400,
    description: 'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 3',
  },
  hang: { hang: true },
  sentThenHang: { hang: true, accepted: true },
  reset: { reset: true },
  drip: { drip: true },
  malformed: { body: '{"ok":tr' },
  senseless: { body: '{"hello":"world"}' },
} satisfies Record<string, Fault | ((seconds: number) => Fault)>;

/** A message that reached its reader. */
export interface Sent {
  method: string;
  chat: string;
  /** As it was sent; for a voice message its caption. */
  text: string;
  parseMode?: string;
  silent: boolean;
  voice?: Uint8Array;
}

/** A Bot API server for one bot. */
export interface TelegramServer extends AsyncDisposable {
  url: string;
  token: string;
  /** What came through, oldest first. */
  sent: Sent[];
  /** Every call, also those that failed. */
  calls: string[];
  /** The next calls that send fail so, one after the other. */
  fail(...faults: Fault[]): void;
}

/** Starts a server that knows one bot and the given chats. */
export function telegramServer(
  { chats = ["4711", "-100815"], token = `123456:${"t".repeat(35)}`, port = 0 } = {},
): TelegramServer {
  const faults: Fault[] = [];
  const sent: Sent[] = [];
  const calls: string[] = [];
  const stop = new AbortController();
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    const [, key, method = ""] = /^\/bot([^/]+)\/(\w+)$/.exec(new URL(request.url).pathname) ?? [];
    calls.push(method);
    if (key !== token) return refuse(401, "Unauthorized");
    if (method === "getMe") {
      return ok({ id: 123456, is_bot: true, first_name: "Strata", username: "strata_bot" });
    }
    if (method === "sendChatAction") {
      const { chat_id } = await request.json();
      return chats.includes(String(chat_id))
        ? ok(true)
        : refuse(400, "Bad Request: chat not found");
    }
    if (method !== "sendMessage" && method !== "sendVoice") return refuse(404, "Not Found");
    const message = await read(request, method);
    const fault = faults.shift();
    if (fault !== undefined && "status" in fault) {
      return refuse(fault.status, fault.description, fault.parameters);
    }
    const refusal = objection(message, chats);
    if (refusal !== undefined) return refuse(400, `Bad Request: ${refusal}`);
    if (fault === undefined || !("hang" in fault) || fault.accepted) sent.push(message);
    return fault === undefined
      ? ok(receipt(sent.length, message))
      : await failing(fault, stop.signal);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    token,
    sent,
    calls,
    fail: (...more) => void faults.push(...more),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.shutdown();
    },
  };
}

async function read(request: Request, method: string): Promise<Sent> {
  const multipart = request.headers.get("content-type")?.startsWith("multipart/") ?? false;
  const fields = multipart
    ? new Map(await request.formData())
    : new Map<string, unknown>(Object.entries(await request.json()));
  // Files are named by a field that says where they are: attach://<name>
  const named = String(fields.get("voice") ?? "").replace(/^attach:\/\//, "");
  const file = [...fields.values()].find((value) => value instanceof File) ?? fields.get(named);
  const parseMode = fields.get("parse_mode");
  return {
    method,
    chat: String(fields.get("chat_id")),
    text: String(fields.get(method === "sendVoice" ? "caption" : "text") ?? ""),
    silent: String(fields.get("disable_notification")) === "true",
    ...(typeof parseMode === "string" ? { parseMode } : {}),
    ...(file instanceof File ? { voice: new Uint8Array(await file.arrayBuffer()) } : {}),
  };
}

/** What Telegram itself would say against a message. */
function objection({ method, chat, text, parseMode, voice }: Sent, chats: string[]) {
  if (!chats.includes(chat)) return "chat not found";
  if (method === "sendVoice" && (voice === undefined || voice.length === 0)) {
    return "there is no voice in the request";
  }
  const parsed = parseMode === "HTML" ? parseHtml(text) : { text };
  if ("problem" in parsed) return `can't parse entities: ${parsed.problem}`;
  if (method === "sendVoice") {
    return parsed.text.length > 1024 ? "message caption is too long" : undefined;
  }
  if (parsed.text.trim() === "") return "message text is empty";
  return parsed.text.length > 4096 ? "message is too long" : undefined;
}

const TAGS = ["b", "strong", "i", "em", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler"];

/** Telegram's HTML mode: known tags, closed in order; `<`, `>` and `&` only as references. */
export function parseHtml(html: string): { text: string } | { problem: string } {
  const open: string[] = [];
  let text = "";
  let rest = html;
  while (rest !== "") {
    const at = html.length - rest.length;
    const [whole, slash, tag = ""] = /^<(\/?)([a-z-]*)[^<>]*>/i.exec(rest) ?? [];
    const reference = /^&(lt|gt|amp|quot|#\d+|#x[0-9a-f]+);/i.exec(rest)?.[0];
    if (whole !== undefined) {
      if (!TAGS.includes(tag)) {
        return { problem: `Unsupported start tag "${tag}" at byte offset ${at}` };
      }
      if (slash === "") open.push(tag);
      else if (open.pop() !== tag) return { problem: `Unexpected end tag at byte offset ${at}` };
    } else if (rest.startsWith("<")) return { problem: `Unclosed start tag at byte offset ${at}` };
    else text += reference === undefined ? rest[0] : "x";
    rest = rest.slice((whole ?? reference ?? "x").length);
  }
  return open.length === 0
    ? { text }
    : { problem: `Can't find end tag corresponding to start tag "${open.at(-1)}"` };
}

async function failing(fault: Exclude<Fault, { status: number }>, stop: AbortSignal) {
  if ("body" in fault) return new Response(fault.body);
  if ("hang" in fault) {
    await new Promise((resolve) => stop.addEventListener("abort", resolve));
    return new Response(null);
  }
  const drip = "drip" in fault;
  let timer: ReturnType<typeof setInterval> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"ok":true,"res'));
      const end = () => {
        clearInterval(timer);
        try {
          controller.error(new Error("the connection breaks off"));
        } catch {
          // the caller was quicker
        }
      };
      stop.addEventListener("abort", end);
      timer = setInterval(() => drip ? controller.enqueue(new Uint8Array([32])) : end(), 50);
    },
    cancel: () => clearInterval(timer),
  });
  return new Response(body, { headers: { "content-type": "application/json" } });
}

function receipt(message_id: number, { chat, text }: Sent) {
  return {
    message_id,
    date: Math.floor(Date.now() / 1000),
    chat: { id: Number(chat), type: "private" },
    text,
  };
}

function ok(result: unknown): Response {
  return Response.json({ ok: true, result });
}

function refuse(error_code: number, description: string, parameters?: Record<string, number>) {
  const body = { ok: false, error_code, description, ...(parameters ? { parameters } : {}) };
  return Response.json(body, { status: error_code });
}

if (import.meta.main) {
  const server = telegramServer({ port: 8081 });
  console.log(`TELEGRAM_API_ROOT=${server.url}\nTELEGRAM_BOT_TOKEN=${server.token}`);
  console.log("TELEGRAM_CHAT_ID=4711");
  let shown = 0;
  setInterval(() => {
    for (; shown < server.sent.length; shown++) console.log(`\n${server.sent[shown]?.text}`);
  }, 200);
}
