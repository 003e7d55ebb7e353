/**
 * `strata-health`: is everything there? Without a key it says that it lives, and its version. With the key: the
 * tiers, their links, pg_cron, moves, alerts, pg_net, clocks and the services outside; 200 when all is
 * well or only something to look at (`degraded`), 503 when something is down, for monitors that know
 * nothing but the status. POST says the same and notes that somebody asked. So does main's daily wake,
 * which keeps core's project from being paused; it is told nothing, because its answer lies on main.
 *
 * It belongs to one tier and asks that one's database. The others it also asks, each by its REST API,
 * where the function has their addresses and keys (STRATA_CORE_URL, STRATA_CORE_KEY, …).
 */
import { z } from "zod";
import { KeyAddress, PlatformEnv } from "../_strata/http/env.ts";
import { DatabaseError, HttpError } from "../_strata/http/errors.ts";
import { type Handler, Nothing, route, router, woken } from "../_strata/http/http.ts";
import {
  noteOutside,
  type Outside,
  type TierHealth,
  tierHealth,
} from "../_strata/protocol/strata_health.ts";
import { connectRpc, type Rpc } from "../_strata/protocol/strata_rpc.ts";
import { VERSION } from "../_strata/http/version.ts";
import type { Deps } from "../_strata/http/wire.ts";
import { outside } from "./outside.ts";

const TIERS = ["CORE", "MAIN", "ARCHIVE"] as const;
/** A monitor gives up after ten seconds or so, and wants to hear what it is that does not answer. */
const PATIENCE_MS = 5_000;
const SKEW_SECONDS = 5;
/** What anybody may know: the same fields begin what is said with a key. */
const ALIVE = { ok: true, status: "ok", version: VERSION };
const ASKED = { ok: true, says: "was asked", took_ms: 0 };

const Key = z.string().min(1).optional();

/** The variables of health, all optional besides the platform's. */
export const Env = PlatformEnv.extend({
  STRATA_CORE_URL: KeyAddress.optional(),
  STRATA_CORE_KEY: Key,
  STRATA_MAIN_URL: KeyAddress.optional(),
  STRATA_MAIN_KEY: Key,
  STRATA_ARCHIVE_URL: KeyAddress.optional(),
  STRATA_ARCHIVE_KEY: Key,
  TELEGRAM_BOT_TOKEN: Key,
  TELEGRAM_API_ROOT: KeyAddress.default("https://api.telegram.org"),
  ELEVENLABS_API_KEY: Key,
  ELEVENLABS_API_ROOT: KeyAddress.default("https://api.elevenlabs.io"),
});

/** The checked variables of health. */
export type Env = z.infer<typeof Env>;

/** Whether a tier answers, and how fast. */
interface Reach {
  ok: boolean;
  took_ms: number;
  says: string;
  /** How far the tier's clock is from ours; what the way there takes is not told apart. */
  clock_skew_seconds: number | null;
}

/** Builds the handler; `connect` opens another tier's REST API. */
export function createHandler(
  deps: Deps<Env>,
  connect: (url: string, key: string) => Rpc = (url, key) => {
    return connectRpc(url, key, deps.fetch, PATIENCE_MS);
  },
): Handler {
  return router(deps, {
    GET: route({
      access: "open",
      body: Nothing,
      query: Nothing,
      async run({ request }) {
        if (request.headers.get("apikey") === null) return ALIVE;
        if (await deps.isAuthorized(request)) return await report(deps, connect);
        throw new HttpError(
          401,
          "unauthorized",
          "That is no secret key of this project. Send one (sb_secret_…) in the header apikey, or no such header.",
        );
      },
    }),
    POST: route({
      body: Nothing,
      query: Nothing,
      previews: true,
      wake: woken(Nothing, async () => {
        await noteOutside(deps.rpc, "keep_alive", ASKED);
        return { woken: true };
      }),
      async run({ dryRun }) {
        if (!dryRun) await noteOutside(deps.rpc, "keep_alive", ASKED).catch(() => {}); // said below
        return await report(deps, connect);
      },
    }),
  });
}

async function report(
  deps: Deps<Env>,
  connect: (url: string, key: string) => Rpc,
): Promise<Response> {
  const [own, others] = await Promise.all([
    reach(deps, deps.rpc),
    Promise.all(
      otherTiers(deps.env).map(async ({ tier, url, key }) => {
        return { tier, ...(await reach(deps, connect(url, key))).reach };
      }),
    ),
  ]);
  const services = own.health === undefined ? {} : await outside(deps, own.health.outside);
  const tiers = [{ tier: own.health?.tier ?? "this tier", ...own.reach }, ...others];
  const down = whatIsDown(tiers, own.health);
  const wrong = whatIsWrong(tiers, own.health, services);
  const status = down.length > 0 ? "down" : wrong.length > 0 ? "degraded" : "ok";
  const { clock: _clock, outside: _outside, ...rest } = own.health ?? { clock: 0, outside: {} };
  const body = {
    ok: status !== "down",
    status,
    version: VERSION,
    down,
    wrong,
    tiers,
    ...rest,
    outside: services,
  };
  return Response.json(body, { status: status === "down" ? 503 : 200 });
}

async function reach(
  deps: Deps<Env>,
  rpc: Rpc,
): Promise<{ reach: Reach; health?: TierHealth }> {
  const begun = deps.now();
  try {
    const health = await within(tierHealth(rpc), PATIENCE_MS);
    const took_ms = Math.round(deps.now() - begun);
    const skew = health.clock - (begun + deps.now()) / 2_000; // compared with the middle of the call
    const reach = {
      ok: true,
      took_ms,
      says: "answers",
      clock_skew_seconds: Math.round(skew * 10) / 10,
    };
    return { reach, health };
  } catch (error) {
    deps.log("tier_unreachable", { error });
    const took_ms = Math.round(deps.now() - begun);
    const isGone = !(error instanceof DatabaseError) || error.unreachable;
    const says = isGone ? "does not answer" : "refuses to say how it is: are its migrations there?";
    return { reach: { ok: false, took_ms, says, clock_skew_seconds: null } };
  }
}

async function within<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DatabaseError("", "no answer in time")), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function otherTiers(env: Env): { tier: string; url: string; key: string }[] {
  return TIERS.flatMap((name) => {
    const [url, key] = [env[`STRATA_${name}_URL`], env[`STRATA_${name}_KEY`]];
    if (url === undefined || key === undefined || url === env.SUPABASE_URL) return [];
    return [{ tier: name.toLowerCase(), url, key }];
  });
}

function whatIsDown(tiers: ({ tier: string } & Reach)[], health: TierHealth | undefined): string[] {
  const critical = health?.alerts.filter(({ severity }) => severity === "critical") ?? [];
  return [
    ...tiers.filter(({ ok }) => !ok).map(({ tier, says }) => `${tier} ${says}`),
    ...health?.cron.stopped ?? [],
    ...critical.map(({ says }) => says),
  ];
}

function whatIsWrong(
  tiers: ({ tier: string } & Reach)[],
  health: TierHealth | undefined,
  services: Record<string, Outside>,
): string[] {
  const skewed = tiers.filter(({ clock_skew_seconds: skew }) => Math.abs(skew ?? 0) > SKEW_SECONDS);
  const net = health?.net;
  return [
    ...health?.links.filter(({ ok }) => !ok).map(({ neighbour, says }) =>
      `${neighbour}: ${says}`
    ) ?? [],
    ...health?.links.filter(({ tls }) => tls === "none")
      .map(({ neighbour }) => `the line to ${neighbour} is not encrypted`) ?? [],
    ...skewed.map(({ tier, clock_skew_seconds: skew }) => `the clock of ${tier} is ${skew} s off`),
    ...health?.alerts.filter(({ severity }) => severity === "warning").map(({ says }) => says) ??
      [],
    ...(net?.installed && net.worker === false ? ["the worker of pg_net does not run"] : []),
    ...Object.entries(services).filter(([, { ok }]) => !ok).map(([name, { says }]) =>
      `${name}: ${says}`
    ),
  ];
}
