/** `strata.local.yaml` as init keeps it: what stands there stays, comments included; no secret ever does. */
import { Document, isMap, parseDocument } from "yaml";
import { hostedBy } from "../advise/address.ts";
import type { Proposals } from "../advise/policies.ts";
import { type TierName, TIERS } from "../config/schema.ts";
import { Failure } from "../lib/errors.ts";
import { size } from "../lib/output.ts";

/** What is said of one tier, or that there is none. */
export interface TierEntry {
  url: string;
  /** It has a REST address and a key. */
  hasApi: boolean;
  ca: string | undefined;
  insecureBecause: string | undefined;
}

/** The file with what is new laid in; what it said of a policy already is left as it is. */
export function mergedYaml(
  text: string,
  tiers: ReadonlyMap<TierName, TierEntry>,
  proposals: Proposals | undefined,
  replace = false,
): string {
  const document = text.trim() === "" ? new Document({}) : parseDocument(text);
  if (document.errors.length > 0 || !(document.contents === null || isMap(document.contents))) {
    throw new Failure(
      `strata.local.yaml cannot be read: ${
        document.errors[0]?.message.split("\n")[0] ?? "it is no mapping"
      }`,
      "Mend it first; nothing was written.",
      2,
    );
  }
  if (document.contents === null) document.contents = document.createNode({});
  if (text.trim() === "") {
    document.commentBefore = " Laid over strata.yaml, key by key. No secrets: those are in .env.";
  }
  setTiers(document, tiers, replace);
  if (proposals !== undefined) setPolicies(document, proposals);
  return document.toString({ lineWidth: 0 });
}

function setTiers(
  document: Document,
  tiers: ReadonlyMap<TierName, TierEntry>,
  replace: boolean,
): void {
  const isChain = tiers.size > 1;
  for (const key of TIERS) {
    const path = ["database_tiers", key];
    const tier = tiers.get(key);
    if (tier === undefined) {
      if (isChain && !document.hasIn(path)) set(document, path, null);
      continue;
    }
    if (document.getIn(path) === null) document.deleteIn(path);
    for (const name of tier.hasApi ? ["url_env", "key_env"] : []) {
      if (document.hasIn([...path, name]) && document.getIn([...path, name]) === null) {
        document.deleteIn([...path, name]);
      }
    }
    for (const [name, value] of Object.entries(settingsOf(key, tier))) {
      if (replace || !document.hasIn([...path, name])) set(document, [...path, name], value);
    }
  }
}

function settingsOf(key: TierName, { url, hasApi, ca, insecureBecause }: TierEntry) {
  const isHosted = hostedBy(url) !== undefined;
  const provider = isHosted ? "supabase" : key === "core" ? "self_hosted" : undefined;
  return {
    ...(provider === undefined || (key === "core" && isHosted) ? {} : { provider }),
    ...(hasApi ? {} : { url_env: null, key_env: null }),
    ...(ca === undefined ? {} : { ca }),
    ...(insecureBecause === undefined ? {} : { insecure_because: insecureBecause }),
  };
}

function setPolicies(document: Document, { policies, namesakes }: Proposals): void {
  const named = [
    ...policies.map(({ dataset, policy, frees }) => ({
      dataset,
      value: policy as Record<string, unknown> | null,
      says: ` proposed: frees about ${size(frees)} of core`,
    })),
    ...namesakes.map((dataset) => ({
      dataset,
      value: null,
      says: " yours is not the table of this name that strata.yaml has a policy for",
    })),
  ];
  for (const { dataset, value, says } of named) {
    const path = ["lifecycle_policies", dataset];
    if (document.hasIn(path)) continue;
    set(document, path, value);
    const map = document.getIn(["lifecycle_policies"]);
    if (!isMap(map)) continue;
    const pair = map.items.find(({ key }) => String(key) === dataset);
    if (pair === undefined) continue;
    const node = document.createNode(dataset);
    node.commentBefore = says;
    pair.key = node;
  }
}

/** Also where the file says nothing yet, or null, of what is above. */
function set(document: Document, path: string[], value: unknown): void {
  for (let depth = 1; depth < path.length; depth++) {
    const above = path.slice(0, depth);
    if (!isMap(document.getIn(above))) document.setIn(above, document.createNode({}));
  }
  document.setIn(path, document.createNode(value));
}
