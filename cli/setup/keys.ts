/** Which keys a tier uses, by name and age, so that an old one is told of. No value ever goes there. */
import { hex } from "../../supabase/functions/_strata/http/wake.ts";
import { seeKey } from "../tiers/logins.ts";
import { wakeSecret } from "../tiers/wakes.ts";
import type { OpenTier, Session } from "../lib/session.ts";

/** Notes the keys of every tier that answers: new ones, and those that are others than last time. */
export async function noteKeys(session: Session): Promise<void> {
  await session.ask(noteKeysOf);
}

async function noteKeysOf({ tier, sql }: OpenTier): Promise<void> {
  // A password may be one that a person chose: not even a part of its hash is kept.
  await seeKey(sql, "database password", null);
  if (tier.api === undefined) return;
  await seeKey(sql, "secret key", await mark(tier.api.key));
  const secret = await wakeSecret(sql);
  if (secret !== undefined) await seeKey(sql, "wake secret", await mark(secret));
}

/** Eight digits of a hash: enough to see that a random key is another one, and good for nothing else. */
async function mark(key: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return hex(new Uint8Array(digest)).slice(0, 8);
}
