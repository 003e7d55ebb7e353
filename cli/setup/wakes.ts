/**
 * What a database must know to wake its project's functions up, and the tier beside core to call core's
 * once a day. In Vault; a database without one wakes nobody.
 */
import { setSecret } from "../../supabase/functions/_strata/protocol/strata_secrets.ts";
import type { Check } from "../../supabase/functions/_strata/protocol/strata.ts";
import { forgetSecret, wakeSecret } from "../tiers/wakes.ts";
import { signWake, WAKE_HEADER } from "../../supabase/functions/_strata/http/wake.ts";
import type { Config, Tier } from "../config/load.ts";
import type { OpenTier, Session } from "../lib/session.ts";

/** The secret keys that earlier versions kept in Vault, where nothing needs them any more. */
const OBSOLETE = ["secret_key", "core_secret_key"];
const PATIENCE_MS = 8_000;

/** Tells every tier that answers where its functions are and how they are woken. */
export async function tellProjects(config: Config, session: Session): Promise<void> {
  const secrets = await session.ask(({ tier, sql }) => {
    return tier.api === undefined ? Promise.resolve(undefined) : wakeSecret(sql);
  });
  const core = config.tiers.find(({ key }) => key === "core");
  const secretOfCore = secrets.find(({ tier }) => tier === "core")?.answer;
  await session.ask(async ({ tier, sql }) => {
    for (const name of OBSOLETE) await forgetSecret(sql, name);
    if (tier.api !== undefined) await setSecret(sql, "project_url", tier.api.url);
    const isBesideCore = config.links.some(({ from, to }) => from === "core" && to === tier.key);
    if (!isBesideCore || core?.api === undefined || secretOfCore === undefined) return;
    await setSecret(sql, "core_project_url", core.api.url);
    await setSecret(sql, "core_wake_secret", secretOfCore);
  });
}

/** Whether a tier's functions, where it has any, take what its database wakes them with. */
export async function wakeCheck({ tier, sql }: OpenTier): Promise<Check[]> {
  if (tier.api === undefined) return [];
  const secret = await wakeSecret(sql);
  if (secret === undefined) return [];
  const status = await wakeHealth(tier.api.url, secret);
  if (status === undefined) return []; // from here nobody answers: that says nothing of the wakes
  const found = (ok: boolean, says: string, remedy: string | null): Check[] => {
    return [{ topic: "waking functions", ok, says, remedy }];
  };
  if (status === 404) return found(true, "there are no functions to wake", null);
  if (status === 200) return found(true, "its functions take its wakes", null);
  return found(
    false,
    `function health answers a wake with status ${status}`,
    remedyOf(tier, status),
  );
}

function remedyOf(tier: Tier, status: number): string {
  if (status !== 401) return "Look at the function's log.";
  return tier.provider === "supabase"
    ? "Run `deno task deploy`: it sends the functions the secret that the database wakes them with."
    : "Give its functions container STRATA_WAKE_SECRET: on that database, " +
      "select strata.secret('wake_secret') says what. Run `deno task deploy --copy-to` there " +
      "once more, and start the container anew.";
}

/** Wakes what is woken daily anyway; undefined when nobody answers. */
async function wakeHealth(url: string, secret: string): Promise<number | undefined> {
  try {
    const response = await fetch(`${url.replace(/\/+$/, "")}/functions/v1/strata-health`, {
      method: "POST",
      body: "{}",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: {
        "content-type": "application/json",
        [WAKE_HEADER]: await signWake("strata-health", secret, Date.now(), "{}"),
      },
    });
    await response.body?.cancel();
    return response.status;
  } catch {
    return undefined;
  }
}
