/** The passwords of the links: each link has its own, and none is kept on this machine. */
import type { Config, Link } from "../config/load.ts";
import * as logins from "../../supabase/functions/_shared/strata_logins.ts";
import type { Context } from "../lib/command.ts";
import type { OpenTier } from "../lib/session.ts";

/** Something to say about a tier's link. */
export interface LinkSays {
  tier: string;
  says: string;
}

/** A link with both its ends, of which one dials the other. */
interface Ends {
  link: Link;
  driving: OpenTier;
  dialled: OpenTier;
}

/**
 * Gives every link that cannot be dialled a new password, and leaves those alone that can. A link
 * whose other end did not answer is left for the next time.
 */
export async function openLinks({ config, session }: Context): Promise<LinkSays[]> {
  const said: LinkSays[] = [];
  for (const ends of endsOf(config, session.open)) {
    const { driving, dialled } = ends;
    await logins.makeLogins(dialled.sql, driving.tier.key, dialled.tier.poolSize);
    if (await logins.tryLink(driving.sql, dialled.tier.key) === null) continue;
    said.push(await renew(ends));
  }
  return said;
}

/** What rotating has come to. */
export interface Rotated extends LinkSays {
  ok: boolean;
}

/** Gives every link a new password. Where one works, nothing is refused meanwhile. */
export async function rotateLinks({ config, session }: Context): Promise<Rotated[]> {
  const rotated: Rotated[] = [];
  for (const ends of endsOf(config, session.open)) rotated.push(await rotate(ends));
  return rotated;
}

async function rotate(ends: Ends): Promise<Rotated> {
  const { link, driving, dialled } = ends;
  const [from, to] = [driving.tier.key, dialled.tier.key];
  const works = await logins.tryLink(driving.sql, to) === null;
  if (!works || link.password !== undefined) {
    const { says } = await renew(ends);
    return { tier: from, says, ok: await logins.tryLink(driving.sql, to) === null };
  }
  const why = await logins.rotateLink(driving.sql, to);
  if (why !== null) {
    return { tier: from, says: `${why}. The password was left as it was`, ok: false };
  }
  await logins.endSessions(dialled.sql, from, await logins.loginOf(driving.sql, to));
  return { tier: from, says: `${from} dials ${to} with a new password`, ok: true };
}

/** Sets a link's password anew on both ends, and ends whatever came in with the old one. */
async function renew({ link, driving, dialled }: Ends): Promise<LinkSays> {
  const [from, to] = [driving.tier.key, dialled.tier.key];
  const verifier = await logins.renewPassword(driving.sql, to, link.password);
  await logins.setMoverLogin(dialled.sql, from, verifier, dialled.tier.poolSize);
  await logins.endSessions(dialled.sql, from, null);
  const trouble = await logins.tryLink(driving.sql, to);
  return {
    tier: from,
    says: trouble === null
      ? `${from} dials ${to} with a new password`
      : `${from} has a new password for ${to}, but the link does not work yet: ${trouble}`,
  };
}

function endsOf(config: Config, open: readonly OpenTier[]): Ends[] {
  const find = (key: string) => open.find(({ tier }) => tier.key === key);
  return config.links.filter(({ driver }) => driver !== "relay").flatMap((link) => {
    const [from, to] = [find(link.from), find(link.to)];
    if (from === undefined || to === undefined) return [];
    const [driving, dialled] = link.driver === "push" ? [from, to] : [to, from];
    return [{ link, driving, dialled }];
  });
}
