/**
 * A CA of one's own and a server certificate for each tier that one runs, made with openssl. What is there
 * already is never touched: run again, it makes what is missing and says the same.
 */
import { join } from "@std/path";
import { bare, isLoopback } from "../../supabase/functions/_strata/outbound/safe_address.ts";
import type { Config, Tier } from "../config/load.ts";
import { SUPABASE_CA } from "../config/security.ts";
import { Failure } from "../lib/errors.ts";

/** What there is now, and what to do with it. */
export interface Certificates {
  directory: string;
  made: string[];
  kept: string[];
  /** What the owner does, place by place. */
  steps: { where: string; lines: string[] }[];
}

const DAYS = "3650";
const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Makes what is missing in a directory. */
export async function certificates(config: Config, directory: string): Promise<Certificates> {
  const outcome: Certificates = { directory, made: [], kept: [], steps: [] };
  const own = config.tiers.filter((tier) => tier.provider !== "supabase")
    .map((tier) => ({ tier, hosts: hostsOf(config, tier) }))
    .filter(({ hosts }) => hosts.length > 0);
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  if (config.tiers.some(({ provider }) => provider === "supabase")) {
    const text = await Deno.readTextFile(SUPABASE_CA);
    await make(
      outcome,
      ["supabase.crt"],
      (at) => Deno.writeTextFile(join(at, "supabase.crt"), text),
    );
  }
  if (own.length > 0) await make(outcome, ["ca.key", "ca.crt"], makeCa);
  for (const { tier, hosts } of own) {
    await make(
      outcome,
      [`${tier.key}.key`, `${tier.key}.crt`],
      (at) => makeServer(at, directory, tier.key, hosts),
    );
    await requireHosts(join(directory, `${tier.key}.crt`), hosts);
  }
  outcome.steps.push(...own.map(({ tier }) => serverSteps(tier)), ...dialSteps(config, directory));
  return outcome;
}

/** The addresses by which a tier is dialled, from here and from its neighbour; not those of this machine. */
function hostsOf(config: Config, { key, dbUrl }: Tier): string[] {
  const dialled = config.links.filter(({ from, to, driver }) =>
    driver !== "relay" && (driver === "push" ? to : from) === key
  ).map(({ dialHost }) => dialHost === undefined ? undefined : bare(dialHost));
  const hosts = [bare(new URL(dbUrl).hostname), ...dialled];
  return [...new Set(hosts.filter((host) => host !== undefined && !isLoopback(host)))]
    .filter((host) => host !== undefined);
}

/** Makes files beside their place and moves them there when all is well, keys readable for the owner alone. */
async function make(
  outcome: Certificates,
  names: string[],
  work: (at: string) => Promise<void>,
): Promise<void> {
  const { directory } = outcome;
  const there = await Promise.all(names.map((name) => exists(join(directory, name))));
  if (there.every((one) => one)) return void outcome.kept.push(...names);
  if (there.some((one) => one)) {
    const missing = names.filter((_, at) => !there[at]).join(", ");
    throw new Failure(
      `${directory} has ${names.filter((_, at) => there[at]).join(", ")} but not ${missing}`,
      "Put the missing file back, or remove the other one to have both made anew.",
    );
  }
  const at = await Deno.makeTempDir({ dir: directory, prefix: ".making-" }); // mode 700
  try {
    await work(at);
    for (const name of names) {
      await Deno.chmod(join(at, name), name.endsWith(".key") ? 0o600 : 0o644);
      await Deno.rename(join(at, name), join(directory, name));
    }
    outcome.made.push(...names);
  } finally {
    await Deno.remove(at, { recursive: true });
  }
}

async function makeCa(at: string): Promise<void> {
  await openssl([
    ...["req", "-x509", ...NEW_KEY, "-days", DAYS, "-subj", "/CN=Strata CA"],
    ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
    ...["-keyout", join(at, "ca.key"), "-out", join(at, "ca.crt")],
  ]);
}

async function makeServer(at: string, ca: string, name: string, hosts: string[]): Promise<void> {
  const [key, request, extensions] = [`${name}.key`, "request", "extensions"].map((one) =>
    join(at, one)
  );
  const names = hosts.map((host) => `${isAddress(host) ? "IP" : "DNS"}:${host}`).join(",");
  await Deno.writeTextFile(
    extensions ?? "",
    `subjectAltName=${names}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`,
  );
  await openssl([
    "req",
    "-new",
    ...NEW_KEY,
    "-subj",
    `/CN=Strata ${name}`,
    "-keyout",
    key ?? "",
    "-out",
    request ?? "",
  ]);
  await openssl([
    ...["x509", "-req", "-in", request ?? "", "-days", DAYS, "-extfile", extensions ?? ""],
    ...["-CA", join(ca, "ca.crt"), "-CAkey", join(ca, "ca.key")],
    ...["-set_serial", `0x${crypto.randomUUID().replaceAll("-", "").slice(1)}`],
    ...["-out", join(at, `${name}.crt`)],
  ]);
}

/** An address that has changed since is not in the certificate, and every dial would fail. */
async function requireHosts(certificate: string, hosts: string[]): Promise<void> {
  for (const host of hosts) {
    const check = isAddress(host) ? "-checkip" : "-checkhost";
    const says = await openssl(["x509", "-in", certificate, "-noout", check, host]);
    if (/does match/.test(says)) continue;
    throw new Failure(
      `${certificate} is not for ${host}`,
      "Remove it and its .key, and run this again: a new one is made for the addresses of today.",
    );
  }
}

function serverSteps({ key }: Tier): Certificates["steps"][number] {
  return {
    where: `on ${key}'s server`,
    lines: [
      `copy ${key}.crt and ${key}.key into the data directory, owned by postgres, the key with mode 600`,
      "into postgresql.conf: ssl = on",
      `into postgresql.conf: ssl_cert_file = '${key}.crt'`,
      `into postgresql.conf: ssl_key_file = '${key}.key'`,
      "then: select pg_reload_conf();",
    ],
  };
}

/** Whoever dials a tier must know its CA: this machine, and the database that drives the link. */
function dialSteps({ tiers, links }: Config, directory: string): Certificates["steps"] {
  const caOf = ({ provider }: Tier) => provider === "supabase" ? "supabase.crt" : "ca.crt";
  const away = (tier: Tier | undefined, host?: string) =>
    tier !== undefined && !isLoopback(host ?? new URL(tier.dbUrl).hostname);
  const here = tiers.filter((tier) => tier.provider !== "supabase" && away(tier));
  const steps = here.length === 0 ? [] : [{
    where: "in strata.local.yaml, for this machine",
    lines: here.map(({ key }) => `database_tiers.${key}.ca: ${join(directory, "ca.crt")}`),
  }];
  return steps.concat(links.flatMap(({ from, to, driver, dialHost }) => {
    const [driving, key] = driver === "push" ? [from, to] : [to, from];
    const dialled = tiers.find((tier) => tier.key === key);
    if (driver === "relay" || dialled === undefined || !away(dialled, dialHost)) return [];
    const path = `/etc/strata/${caOf(dialled)}`;
    return [{
      where: `on ${driving}'s server, which dials ${dialled.key}`,
      lines: [
        `copy ${caOf(dialled)} to ${path}, readable for postgres`,
        `into strata.local.yaml: database_tiers.${from}.link.ca: ${path}`,
        "then here: deno task strata setup --init",
      ],
    }];
  }));
}

async function openssl(args: string[]): Promise<string> {
  const command = new Deno.Command("openssl", { args, stdin: "null" });
  const { success, stdout, stderr } = await command.output().catch(() => {
    throw new Failure("openssl is not on this machine", "Install the package openssl.");
  });
  if (success) return new TextDecoder().decode(stdout);
  throw new Failure(`openssl failed:\n${new TextDecoder().decode(stderr).trim()}`);
}

const isAddress = (host: string) => host.includes(":") || /^\d{1,3}(\.\d{1,3}){3}$/.test(host);

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
