/** Has function notify deliver what waits in a tier's outbox, and says what came of it. */
import { z } from "zod";
import { keyFetch, RedirectError } from "../../supabase/functions/_strata/outbound/safe_address.ts";
import { Failure } from "./errors.ts";
import { redirected } from "./function.ts";
import type { OpenTier } from "./session.ts";

const PATIENCE_MS = 60_000;

const Delivered = z.object({
  deliveries: z.array(z.object({
    channel: z.string(),
    outcome: z.string(),
    says: z.string().optional(),
  })),
});

/** One message over one channel. */
export type Delivery = z.infer<typeof Delivered>["deliveries"][number];

/** Delivers what is due now; `waits` is what to say of it when that does not work. */
export async function deliverNow(
  { key, api }: OpenTier["tier"],
  waits: string,
): Promise<Delivery[]> {
  if (api === undefined) throw new Failure(`${key} has no REST address in strata.yaml. ${waits}`);
  try {
    const response = await keyFetch()(`${api.url}/functions/v1/strata-notify`, {
      method: "POST",
      headers: { apikey: api.key, "content-type": "application/json" },
      body: JSON.stringify({ wait: true }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (response.ok) return Delivered.parse(await response.json()).deliveries;
    await response.body?.cancel();
    throw new Failure(
      `Function notify of ${key} answered with status ${response.status}. ${waits}`,
      "Deploy the functions with `deno task deploy`; on the local stack run `deno task up`.",
    );
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (error instanceof RedirectError) throw redirected(key, error);
    throw new Failure(
      `Function notify of ${key} does not answer. ${waits}`,
      "Is the project up, and is its address in .env right?",
    );
  }
}

/** What came of each, a line each. */
export function deliveriesText(deliveries: Delivery[], none: string): string {
  if (deliveries.length === 0) return none;
  return deliveries.map(({ channel, outcome, says }) =>
    `${channel}: ${outcome}${says === undefined ? "" : `, ${says}`}`
  ).join("\n");
}

/** Whether everything that was due has arrived. */
export const allSent = (deliveries: Delivery[]) =>
  deliveries.every(({ outcome }) => outcome === "sent");
