/** What a tier says about itself to a monitor: the calls of chapter health. */
import { z } from "zod";
import type { Rpc } from "./strata_rpc.ts";

const Time = z.string().nullable();

const Link = z.object({
  neighbour: z.string(),
  direction: z.string(),
  driver: z.string(),
  dials: z.boolean(),
  ok: z.boolean(),
  last_ok_at: Time,
  sqlstate: z.string().nullable(),
  says: z.string().nullable(),
  heard_at: Time,
  level: z.string().nullable(),
  tls: z.string().nullable(),
  clock_skew_seconds: z.number().nullable(),
});

const Outside = z.object({
  ok: z.boolean(),
  says: z.string(),
  took_ms: z.number(),
  age_seconds: z.number(),
});

/** A service outside, as it was when it was last tried. */
export type Outside = z.infer<typeof Outside>;

const TierHealth = z.object({
  tier: z.string().nullable(),
  /** Seconds since 1970 by the server's clock. */
  clock: z.number(),
  level: z.string().nullable(),
  links: z.array(Link),
  cron: z.object({ installed: z.boolean(), watched_at: Time, stopped: z.array(z.string()) }),
  last_move: z.object({
    dataset: z.string(),
    to_tier: z.string().nullable(),
    rows: z.number().nullable(),
    finished_at: z.string(),
  }).nullable(),
  oldest_due: z.object({ dataset: z.string(), since: z.string() }).nullable(),
  alerts: z.array(z.object({
    kind: z.string(),
    tier: z.string(),
    subject: z.string(),
    severity: z.enum(["info", "warning", "critical"]),
    says: z.string(),
    since: z.string(),
  })),
  net: z.object({
    installed: z.boolean(),
    worker: z.boolean().optional(),
    queued: z.number().optional(),
    last_answer_at: Time.optional(),
  }),
  outside: z.record(z.string(), Outside),
});

/** How a tier is. */
export type TierHealth = z.infer<typeof TierHealth>;

/** Asks a tier how it is. */
export async function tierHealth(rpc: Rpc): Promise<TierHealth> {
  return TierHealth.parse(await rpc("health"));
}

/** Writes down that a service outside was tried, and what came of it. */
export async function noteOutside(
  rpc: Rpc,
  name: string,
  { ok, says, took_ms }: Omit<Outside, "age_seconds">,
): Promise<void> {
  await rpc("note_outside", { p_name: name, p_ok: ok, p_says: says, p_took_ms: took_ms });
}
