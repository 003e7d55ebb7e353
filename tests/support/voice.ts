/** A core, Telegram and ElevenLabs, and the function `strata-voice` between them. */
import type { Handler } from "../../supabase/functions/_strata/http/http.ts";
import { createHandler, Env } from "../../supabase/functions/strata-voice/handler.ts";
import { briefingCore } from "./briefings.ts";
import type { TestDatabase } from "./database.ts";
import { type ElevenLabsServer, elevenLabsServer } from "./elevenlabs.ts";
import { call, TEST_ENV, type TestDeps, testDeps } from "./function_deps.ts";
import { rpcTo } from "./rpc.ts";
import { type TelegramServer, telegramServer } from "./telegram.ts";

/** Everything a briefing touches. */
export interface VoiceWorld extends AsyncDisposable {
  db: TestDatabase;
  telegram: TelegramServer;
  elevenlabs: ElevenLabsServer;
  deps: TestDeps<Env>;
  handler: Handler;
  /** Calls the function; the answer's status and body. */
  post(body: Record<string, unknown>, query?: string): Promise<Answered>;
  get(query?: string): Promise<Answered>;
  /** The clock of the function, not of the database, goes on by so much. */
  pass(milliseconds: number): void;
}

/** What the function answered. */
export interface Answered {
  status: number;
  // deno-lint-ignore no-explicit-any -- each test says what must be in it
  body: any;
}

/** What is set up beside Telegram's server and ElevenLabs'. */
export interface VoiceWorldOptions {
  without?: "telegram" | "elevenlabs";
  now?: string;
}

/** A world in which it is Sunday, seven in the morning. */
export async function voiceWorld({ without, now }: VoiceWorldOptions = {}): Promise<VoiceWorld> {
  const db = await briefingCore(now);
  const telegram = telegramServer();
  const elevenlabs = elevenLabsServer();
  const env = Env.parse({
    ...TEST_ENV,
    SUPABASE_SECRET_KEYS: JSON.stringify(TEST_ENV.SUPABASE_SECRET_KEYS),
    ...(without === "telegram" ? {} : {
      TELEGRAM_BOT_TOKEN: telegram.token,
      TELEGRAM_CHAT_ID: "4711",
    }),
    TELEGRAM_API_ROOT: telegram.url,
    ...(without === "elevenlabs" ? {} : { ELEVENLABS_API_KEY: elevenlabs.key }),
    ELEVENLABS_API_ROOT: elevenlabs.url,
  });
  let clock = Date.parse("2026-11-22T07:00:00Z");
  const slept: number[] = [];
  const deps = testDeps<Env>({
    env,
    rpc: rpcTo(db.sql),
    fetch: (input, init) => fetch(input, init),
    now: () => clock,
    sleep(milliseconds) {
      slept.push(milliseconds);
      clock += milliseconds;
      return Promise.resolve();
    },
  });
  const handler = createHandler(deps);
  const ask = async (request: Request): Promise<Answered> => {
    const response = await handler(request);
    return { status: response.status, body: await response.json() };
  };
  return {
    db,
    telegram,
    elevenlabs,
    deps: Object.assign(deps, { slept }),
    handler,
    post: (body, query) => ask(call("POST", query, { body })),
    get: (query) => ask(call("GET", query)),
    pass: (milliseconds) => void (clock += milliseconds),
    async [Symbol.asyncDispose]() {
      await telegram[Symbol.asyncDispose]();
      await elevenlabs[Symbol.asyncDispose]();
      await db[Symbol.asyncDispose]();
    },
  };
}

/** Sends and says what became of the one briefing. */
export async function send(world: VoiceWorld): Promise<Record<string, unknown>> {
  const { status, body } = await world.post({ action: "send", wait: true });
  if (status !== 200) throw new Error(`send answered ${status}: ${JSON.stringify(body)}`);
  return body.briefings[0];
}

/** The ledger, oldest first: kind, state, characters and credits. */
export async function ledger({ db }: VoiceWorld): Promise<string[]> {
  const rows = await db.sql<{ says: string }[]>`
    select format('%s %s %s %s', kind, state, units, trim_scale(credits)) as says
      from strata.costs order by at, cost_id`;
  return rows.map(({ says }) => says);
}

/** A life with something in it. */
export async function fillLife({ db }: Pick<VoiceWorld, "db">): Promise<void> {
  await db.sql`
    insert into public.tasks (title, priority, due_on, created_at) values
      ('Call the dentist at 14:30', 1, '2026-11-22', '2026-11-01'),
      ('Send invoice #42', 2, '2026-11-19', '2026-11-02'),
      ('Plan the garden', 2, '2026-12-24', '2026-11-03'),
      ('Some day', 5, null, '2026-11-04')`;
  await db.sql`
    insert into public.tasks (title, status, completed_at, created_at)
    values ('Done', 'completed', '2026-11-21T12:00Z', '2026-11-20')`;
  await db.sql`
    insert into public.daily_summaries (date, summary, mood_score, steps, created_at)
    values ('2026-11-21', 'Walked by the lake.', 8, 9012, '2026-11-21T20:00Z')`;
}
