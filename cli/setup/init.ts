/** `setup --init`: makes the tiers what the configuration says. Running it again changes nothing. */
import type { Config, Link, Tier } from "../config/load.ts";
import { policiesAt } from "./policies.ts";
import * as strata from "../../supabase/functions/_strata/protocol/strata.ts";
import { manage } from "../tiers/policies.ts";
import { bare, keyWarning } from "../../supabase/functions/_strata/outbound/safe_address.ts";
import type { Context } from "../lib/command.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import type { OpenTier } from "../lib/session.ts";
import { pushReleases, versionHere } from "../lib/releases.ts";
import { SupabaseFailed } from "../lib/supabase.ts";
import { refuseToAbandon } from "./leave.ts";
import { noteKeys } from "./keys.ts";
import { openLinks } from "./links.ts";
import { type NoTable, tablesMissing } from "./names.ts";
import { makeTwins } from "./twins.ts";
import { tellProjects } from "./wakes.ts";

/** What setting up has come to. */
export interface InitOutcome {
  tiers: { tier: string; says: string }[];
  links: { tier: string; says: string }[];
  managed: string[];
  /** Datasets on core that the configuration does not name: others have adopted them. */
  others: string[];
  /** What the user's own configuration names without there being such a table on core. */
  missing: NoTable[];
  refused: { dataset: string; says: string; remedy: string }[];
}

/** Sets up every tier that answers, then the links between them, then the datasets. */
export async function init(context: Context): Promise<InitOutcome> {
  const { config, session, say } = context;
  await session.ask(refuseOtherTier);
  await refuseToAbandon(context);
  warnings(config).forEach(say);
  say(`Pushing Strata ${await versionHere()} to every tier …`);
  await session.ask((open) => pushTo(config, open));
  const tiers = await session.ask((open) => introduce(config, open));
  await tellProjects(config, session);
  await noteKeys(session);
  const linked = await session.ask((open) => link(config, open));
  const opened = await openLinks(context);
  const outcome: InitOutcome = {
    tiers: tiers.map(({ tier, answer }) => ({ tier, says: answer })),
    links: [
      ...linked.flatMap(({ tier, answer }) => answer.map((says) => ({ tier, says }))),
      ...opened.filter(({ ok }) => ok).map(({ tier, says }) => ({ tier, says })),
      ...config.notes.map((says) => ({ tier: "", says })),
    ],
    managed: [],
    others: [],
    missing: [],
    refused: opened.filter(({ ok }) => !ok).map(({ tier, says, remedy }) => ({
      dataset: `a link of ${tier}`,
      says,
      remedy: remedy ?? "",
    })),
  };
  if (session.open.some(({ tier }) => tier.key === "core")) await manageAll(context, outcome);
  return outcome;
}

/** Before anything is changed: a database that is another tier already is not this one. */
async function refuseOtherTier({ tier, sql }: OpenTier): Promise<void> {
  const self = await strata.tierOf(sql);
  if (self == null || self === tier.key) return;
  throw new Failure(
    `that database is ${self} already, not ${tier.key}`,
    `Correct the address of ${tier.key}, or of ${self}.`,
  );
}

/** Gives a tier the releases that lie here; says whether it did not have them. */
export async function pushTo({ personal }: Config, { tier, sql }: OpenTier): Promise<boolean> {
  try {
    const { pushed } = await pushReleases(tier.dbUrl, { trust: tier.trust, personal });
    await strata.reloadRest(sql);
    return pushed.length > 0;
  } catch (error) {
    if (!(error instanceof SupabaseFailed)) throw error;
    const said = error.output.replaceAll(tier.dbUrl, "the tier").trim();
    throw new Failure(
      `its migrations could not be pushed. The Supabase CLI said:\n${said}`,
      "Mend that, and run setup again.",
    );
  }
}

/** Tells a database which tier it is, how much it holds, who its neighbours are, who may come in. */
async function introduce(config: Config, { tier, sql }: OpenTier): Promise<string> {
  const jobs = await strata.become(sql, tier.key, tier === config.tiers.at(-1));
  const near = [tier.key, ...neighbours(config, tier)];
  for (const known of config.tiers.filter(({ key }) => near.includes(key))) {
    await strata.setTier(sql, known);
  }
  return jobs;
}

/** A key in clear text is refused outside; in a network of one's own it is worth a word. */
export function warnings({ tiers }: Config): string[] {
  return tiers.flatMap(({ key, api }) => {
    const warning = api === undefined ? undefined : keyWarning(api.url);
    return warning === undefined ? [] : [`Note: the REST address of ${key} ${warning}`];
  });
}

async function link(config: Config, { tier, sql }: OpenTier): Promise<string[]> {
  await strata.leaveOthers(sql, neighbours(config, tier));
  const said: string[] = [];
  for (const link of config.links) {
    if (link.from !== tier.key && link.to !== tier.key) continue;
    const other = config.tiers.find(({ key }) =>
      key === (link.from === tier.key ? link.to : link.from)
    );
    if (other === undefined) continue;
    const drives = tier.key === (link.driver === "push" ? link.from : link.to);
    const address = drives && link.driver !== "relay" ? addressOf(tier, link, other) : undefined;
    const says = await strata.joinTier(sql, other.key, link.driver, address);
    if (drives) said.push(link.driver === "relay" ? relayNeeds(link) : says);
  }
  return said;
}

function relayNeeds({ from, to }: Link): string {
  return `${from} and ${to} are linked by the edge function relay: deploy the functions to ${from}'s ` +
    `project, with the addresses and keys of both tiers among their secrets`;
}

function neighbours(config: Config, tier: Tier): string[] {
  return config.links.flatMap(({ from, to }) =>
    from === tier.key ? [to] : to === tier.key ? [from] : []
  );
}

/** Where the driving tier's database reaches the other, and as whom. */
function addressOf(tier: Tier, link: Link, other: Tier): strata.Address {
  const url = new URL(other.dbUrl);
  return {
    host: bare(link.dialHost ?? url.hostname),
    port: link.dialPort ?? Number(url.port === "" ? 5432 : url.port),
    database: decodeURIComponent(url.pathname.slice(1)) || "postgres",
    // A pooler wants the project's reference after the role: postgres.ref, strata_mover_main.ref.
    user: decodeURIComponent(url.username).replace(/^[^.]*/, `strata_mover_${tier.key}`),
    sslmode: link.sslmode ?? null,
    ca: link.ca ?? null,
    insecureBecause: link.insecureBecause ?? null,
  };
}

/** Adopts the configured datasets on core, then tells each colder tier of them. */
async function manageAll(
  { config: written, session }: Context,
  outcome: InitOutcome,
): Promise<void> {
  const { sql } = session.require("core");
  const policies = await policiesAt(sql, written.policies);
  const config = { ...written, policies };
  outcome.missing.push(...await tablesMissing(config, sql));
  for (const policy of policies) {
    try {
      if (!await strata.hasTable(sql, policy.table)) continue;
      outcome.managed.push(await manage(sql, policy));
    } catch (error) {
      const { message, remedy } = asFailure(error);
      outcome.refused.push({ dataset: policy.dataset, says: message, remedy });
    }
  }
  outcome.others = (await strata.datasets(sql)).map(({ name }) => name)
    .filter((name) => !outcome.managed.includes(name));
  for (const { from, to } of config.links) {
    const source = session.open.find(({ tier }) => tier.key === from);
    const target = session.open.find(({ tier }) => tier.key === to);
    if (source === undefined || target === undefined) break; // the first move will tell it
    const refused = await makeTwins(config, source, target, outcome.managed);
    outcome.refused.push(...refused);
  }
}
