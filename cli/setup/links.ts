/** The passwords of the links: each link has its own, and none is kept on this machine. */
import type { Config, Link } from "../config/load.ts";
import * as logins from "../tiers/logins.ts";
import type { Context } from "../lib/command.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import type { OpenTier } from "../lib/session.ts";

/** What has become of a link. */
export interface LinkSays {
  tier: string;
  says: string;
  ok: boolean;
  remedy: string | null;
}

/** A link with both its ends, of which one dials the other. */
interface Ends {
  link: Link;
  driving: OpenTier;
  dialled: OpenTier;
}

const AGAIN = "Mend that, and run the same command again.";

/**
 * Gives every link that cannot be dialled a new password, and leaves those alone that can. A link
 * whose other end did not answer is left for the next time.
 */
export async function openLinks({ config, session }: Context): Promise<LinkSays[]> {
  const said: LinkSays[] = [];
  for (const ends of endsOf(config, session.open)) {
    const { driving, dialled } = ends;
    const opened = await orFailure(ends, async () => {
      await logins.makeLogins(dialled.sql, driving.tier.key, dialled.tier.poolSize);
      const works = await logins.tryLink(driving.sql, dialled.tier.key) === null;
      return works ? undefined : await renew(ends);
    });
    if (opened !== undefined) said.push(opened);
  }
  return said;
}

/** One link that fails does not keep the others from being opened. */
async function orFailure<T>({ driving }: Ends, work: () => Promise<T>): Promise<T | LinkSays> {
  try {
    return await work();
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === "" && failure !== error) throw error; // a fault of this program
    return { tier: driving.tier.key, says: failure.message, ok: false, remedy: failure.remedy };
  }
}

/** Gives every link a new password. Where one works, nothing is refused meanwhile. */
export async function rotateLinks({ config, session }: Context): Promise<LinkSays[]> {
  const said: LinkSays[] = [];
  for (const ends of endsOf(config, session.open)) {
    said.push(await orFailure(ends, () => rotate(ends)));
  }
  return said;
}

async function rotate(ends: Ends): Promise<LinkSays> {
  const { link, driving, dialled } = ends;
  const to = dialled.tier.key;
  const works = await logins.tryLink(driving.sql, to) === null;
  if (!works || link.password !== undefined) return await renew(ends);
  const why = await logins.rotateLink(driving.sql, to);
  if (why !== null) throw new Failure(`the password was left as it was. ${why}`, AGAIN, 1);
  return await outcome(ends, await logins.loginOf(driving.sql, to));
}

/** Sets a link's password anew on both ends, and ends whatever came in with the old one. */
async function renew(ends: Ends): Promise<LinkSays> {
  const { link, driving, dialled } = ends;
  const [from, to] = [driving.tier.key, dialled.tier.key];
  const verifier = await logins.renewPassword(driving.sql, to, link.password);
  await logins.setMoverLogin(dialled.sql, from, verifier, dialled.tier.poolSize);
  return await outcome(ends, null);
}

/** Ends the sessions of a link's logins, but for those of one login, and dials it anew. */
async function outcome({ driving, dialled }: Ends, but: string | null): Promise<LinkSays> {
  const [from, to] = [driving.tier.key, dialled.tier.key];
  const ended = await logins.endSessions(dialled.sql, from, but);
  const trouble = await logins.tryLink(driving.sql, to);
  if (trouble !== null) {
    const says = `${from} has a new password for ${to}, but cannot work with it: ${trouble}`;
    return { tier: from, says, ok: false, remedy: AGAIN };
  }
  const says = `${from} dials ${to} with a new password`;
  const open =
    `, but what is open with the old one stays open: the owner of ${to} may not end it ` +
    "(grant pg_signal_backend to that role, and rotate again)";
  return { tier: from, says: ended === null ? says + open : says, ok: true, remedy: null };
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
