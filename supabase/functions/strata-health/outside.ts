/** Are the services outside there? One cheap call each, whose answer holds for five minutes. */
import type { Deps } from "../_strata/http/wire.ts";
import { type Answer, callOut, OutboundError } from "../_strata/outbound/outbound.ts";
import { noteOutside, type Outside } from "../_strata/protocol/strata_health.ts";
import type { Env } from "./handler.ts";

const HOLDS_SECONDS = 5 * 60;
const PATIENCE_MS = 5_000;

/** A service that is set up, and the call that shows whether it is there. */
interface Service {
  name: string;
  url: string;
  headers: Record<string, string>;
  /** What a good answer says. */
  read(answer: Answer): string;
}

/** Every service that is set up, from what is known or from a call made now. */
export async function outside(
  deps: Deps<Env>,
  known: Readonly<Record<string, Outside>>,
): Promise<Record<string, Outside>> {
  const found = await Promise.all(
    services(deps.env).map(async (service) => {
      const before = known[service.name];
      if (before !== undefined && before.age_seconds < HOLDS_SECONDS) return [service.name, before];
      const now = await tryOut(deps, service);
      await noteOutside(deps.rpc, service.name, now);
      return [service.name, now];
    }),
  );
  return Object.fromEntries(found);
}

function services(env: Env): Service[] {
  const found: Service[] = [];
  if (env.TELEGRAM_BOT_TOKEN !== undefined) {
    found.push({
      name: "telegram",
      url: `${env.TELEGRAM_API_ROOT}/bot${env.TELEGRAM_BOT_TOKEN}/getMe`,
      headers: {},
      read: () => "the bot answers",
    });
  }
  if (env.ELEVENLABS_API_KEY !== undefined) {
    found.push({
      name: "elevenlabs",
      url: `${env.ELEVENLABS_API_ROOT}/v1/models`,
      headers: { "xi-api-key": env.ELEVENLABS_API_KEY },
      read: () => "the key is good",
    });
  }
  return found;
}

async function tryOut(deps: Deps<Env>, service: Service): Promise<Outside> {
  const begun = deps.now();
  const outcome = (ok: boolean, says: string): Outside => {
    return { ok, says, took_ms: Math.round(deps.now() - begun), age_seconds: 0 };
  };
  try {
    const answer = await callOut(deps, {
      url: service.url,
      init: { headers: service.headers },
      deadline: begun + PATIENCE_MS,
      attempts: 1,
      repeatable: true,
    });
    if (answer.status === 200) return outcome(true, service.read(answer));
    if (answer.status === 401 || answer.status === 403) return outcome(false, "the key is refused");
    return outcome(false, `it answers with status ${answer.status}`);
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    return outcome(false, error.code === "timeout" ? "no answer in time" : "it cannot be reached");
  }
}
