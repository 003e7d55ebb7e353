/**
 * `strata-relay`: carries rows between two tiers that can only be reached over HTTP. It needs the addresses and
 * secret keys of both in its variables (STRATA_CORE_URL, STRATA_CORE_KEY, …); where it has connection
 * strings for both as well (STRATA_CORE_DB_URL, …) it makes the same calls over Postgres, which is
 * faster. `{"from": "core", "to": "main"}` carries what is due for twenty seconds and says what came
 * of it; what is left is gone on with by another call, which the source wakes.
 */
import { z } from "zod";
import { KeyAddress, PlatformEnv } from "../_strata/http/env.ts";
import { DatabaseError, HttpError } from "../_strata/http/errors.ts";
import { type Handler, Nothing, plainText, route, router, woken } from "../_strata/http/http.ts";
import { readCertificate, UnsafeAddressError } from "../_strata/protocol/postgres_tls.ts";
import {
  Destination,
  type End,
  type Hello,
  hello,
  noteLink,
  PROTOCOLS,
  Source,
} from "../_strata/protocol/strata_relay.ts";
import { connectRpc, type Rpc } from "../_strata/protocol/strata_rpc.ts";
import { connectSql, type SqlRpc } from "../_strata/protocol/strata_sql_rpc.ts";
import { VERSION } from "../_strata/http/version.ts";
import type { Deps } from "../_strata/http/wire.ts";
import { carry } from "./slice.ts";

const Tier = z.enum(["core", "main", "archive"]);
type Tier = z.infer<typeof Tier>;
const Key = z.string().min(1).optional();

/** How long a call may take: as long as a batch of 3 MB does over a line of 1 Mbit/s. */
const PATIENCE_MS = 30_000;

/** The variables of the relay. */
export const Env = PlatformEnv.extend({
  STRATA_CORE_URL: KeyAddress.optional(),
  STRATA_CORE_KEY: Key,
  STRATA_CORE_DB_URL: z.url().optional(),
  STRATA_CORE_DB_CA: Key,
  STRATA_CORE_DB_INSECURE_BECAUSE: Key,
  STRATA_MAIN_URL: KeyAddress.optional(),
  STRATA_MAIN_KEY: Key,
  STRATA_MAIN_DB_URL: z.url().optional(),
  STRATA_MAIN_DB_CA: Key,
  STRATA_MAIN_DB_INSECURE_BECAUSE: Key,
  STRATA_ARCHIVE_URL: KeyAddress.optional(),
  STRATA_ARCHIVE_KEY: Key,
  STRATA_ARCHIVE_DB_URL: z.url().optional(),
  STRATA_ARCHIVE_DB_CA: Key,
  STRATA_ARCHIVE_DB_INSECURE_BECAUSE: Key,
});

/** The checked variables of the relay. */
export type Env = z.infer<typeof Env>;

const isDownwards = ({ from, to }: { from: Tier; to: Tier }) => {
  return Tier.options.indexOf(from) < Tier.options.indexOf(to);
};
const DOWNWARDS = { message: "from is the hotter tier, to the colder one" };
const Carry = z.strictObject({ from: Tier, to: Tier, dataset: plainText(200).optional() })
  .refine(isDownwards, DOWNWARDS);

/** Both ends of a link, and what to do when they are not needed any more. */
interface Ends extends AsyncDisposable {
  from: Rpc;
  to: Rpc;
  over: "http" | "postgres";
}

const Woken = z.strictObject({ from: Tier, to: Tier }).refine(isDownwards, DOWNWARDS);

/** Builds the handler. */
export function createHandler(deps: Deps<Env>): Handler {
  return router(deps, {
    POST: route({
      body: Carry,
      query: Nothing,
      previews: true,
      wake: woken(Woken, async ({ from, to }) => {
        const { status } = await run(deps, { from, to }, false);
        return Response.json({ woken: true }, { status }); // every login of the source may read it
      }),
      run: ({ body, dryRun }) => run(deps, body, dryRun),
    }),
  });
}

async function run(
  deps: Deps<Env>,
  { from, to, dataset }: z.infer<typeof Carry>,
  dryRun: boolean,
): Promise<Response> {
  await using ends = open(deps, from, to);
  await requireProtocol(
    { tier: from, rpc: ends.from, hello: await requireTier(ends.from, from) },
    { tier: to, rpc: ends.to, hello: await requireTier(ends.to, to) },
  );
  if (dryRun) return Response.json({ from, to, over: ends.over });
  const [source, destination] = [
    new Source(ends.from, from, to),
    new Destination(ends.to, to, from),
  ];
  const options = dataset === undefined ? {} : { dataset };
  try {
    const slice = await carry(deps, source, destination, options);
    const status = slice.outcome === "link down" ? 502 : 200;
    return Response.json({ from, to, over: ends.over, ...slice }, { status });
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== "ST006") throw error;
    const message = `The link from ${from} to ${to} is not driven by a relay.`;
    throw new HttpError(409, "no_relay", message);
  }
}

function open({ env, fetch }: Deps<Env>, from: Tier, to: Tier): Ends {
  const [fromDb, toDb] = [env[`STRATA_${name(from)}_DB_URL`], env[`STRATA_${name(to)}_DB_URL`]];
  if (fromDb !== undefined && toDb !== undefined) {
    const [one, other] = [sqlOf(env, from, fromDb), sqlOf(env, to, toDb)];
    return {
      from: one.rpc,
      to: other.rpc,
      over: "postgres",
      async [Symbol.asyncDispose]() {
        await Promise.all([one, other].map((end) => end.close()));
      },
    };
  }
  return {
    from: restOf(env, fetch, from),
    to: restOf(env, fetch, to),
    over: "http",
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function sqlOf(env: Env, tier: Tier, address: string): SqlRpc {
  const variable = `STRATA_${name(tier)}_DB` as const;
  const [ca, insecureBecause] = [env[`${variable}_CA`], env[`${variable}_INSECURE_BECAUSE`]];
  try {
    return connectSql(address, {
      ca: ca === undefined ? undefined : readCertificate(ca),
      insecureBecause,
    });
  } catch (error) {
    const says = error instanceof UnsafeAddressError
      ? `${variable}_URL: ${error.message}, or give a reason in ${variable}_INSECURE_BECAUSE.`
      : error instanceof Deno.errors.NotFound
      ? `${variable}_CA is neither a certificate nor a file that is there.`
      : undefined;
    if (says === undefined) throw error;
    throw new HttpError(422, "unsafe_address", says);
  }
}

function restOf(env: Env, fetcher: typeof fetch, tier: Tier): Rpc {
  const [url, key] = [env[`STRATA_${name(tier)}_URL`], env[`STRATA_${name(tier)}_KEY`]];
  if (url !== undefined && key !== undefined) return connectRpc(url, key, fetcher, PATIENCE_MS);
  const variables = `STRATA_${name(tier)}_URL and STRATA_${name(tier)}_KEY`;
  throw new HttpError(422, "tier_unknown", `The function lacks ${variables} among its secrets.`);
}

function name(tier: Tier): "CORE" | "MAIN" | "ARCHIVE" {
  return tier === "core" ? "CORE" : tier === "main" ? "MAIN" : "ARCHIVE";
}

/** A wrong address would move rows to where nobody looks for them. */
async function requireTier(rpc: Rpc, tier: Tier): Promise<Hello> {
  let found;
  try {
    found = await hello(rpc);
  } catch (error) {
    if (error instanceof z.ZodError) {
      const message = `${tier} is of another version of Strata than this function: deploy both.`;
      throw new HttpError(409, "other_version", message);
    }
    if (!(error instanceof DatabaseError)) throw error;
    if (error.code === "ST006") {
      throw new HttpError(409, "no_relay", `No link of ${tier} is driven by a relay.`);
    }
    throw new HttpError(502, "tier_unreachable", `${tier} does not answer the relay.`);
  }
  if (found.tier === tier) return found;
  throw new HttpError(409, "wrong_tier", `The address of ${tier} leads to another tier.`);
}

/** Both tiers and this function must speak one protocol; else the link rests, and says on both sides who is to be upgraded. */
async function requireProtocol(...ends: (End & { hello: Hello })[]): Promise<void> {
  const all = [
    { who: "this function", version: VERSION, range: PROTOCOLS },
    ...ends.map(({ tier, hello: { version, protocol, protocols } }) => ({
      who: tier,
      version,
      range: protocols ?? [protocol, protocol] as const,
    })),
  ];
  const least = Math.max(...all.map(({ range }) => range[0]));
  const older = all.filter(({ range }) => range[1] < least).map(({ who }) => who);
  if (older.length === 0) return;
  const says = `${
    all.map(({ who, version, range }) =>
      `${who} has Strata ${version} (protocols ${range[0]} to ${range[1]})`
    ).join(", ")
  }: upgrade ${older.join(" and ")}`;
  await Promise.all(ends.map(async ({ rpc }, at) => {
    await noteLink(rpc, ends[1 - at]?.tier ?? "", "ST069", says).catch(() => {}); // it may not know how
  }));
  throw new HttpError(409, "other_version", `${says}.`);
}
