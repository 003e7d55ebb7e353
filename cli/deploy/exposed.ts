/** Which schemas a hosted project's REST API shows, so that deploying adds to them and takes none away. */
import { z } from "zod";
import { keyFetch } from "../../supabase/functions/_strata/outbound/safe_address.ts";
import type { Tier } from "../config/load.ts";
import { Failure } from "../lib/errors.ts";

const PATIENCE_MS = 15_000;
/** A schema that nobody has: whoever asks for it is told those there are. */
const NOBODYS = "strata_asks_which_schemas_there_are";
const Refused = z.object({ message: z.string(), hint: z.string().nullish() });
const LIST = /(?:must be one of the following|following schemas are exposed): (.+)$/;

/** The schemas that answer now, in their order. */
export async function exposedSchemas({ key, api }: Pick<Tier, "key" | "api">): Promise<string[]> {
  const answer = api === undefined ? undefined : await ask(api);
  const { data } = Refused.safeParse(answer);
  const list = [data?.message, data?.hint].flatMap((text) => LIST.exec(text ?? "")?.[1] ?? [])[0];
  if (list !== undefined) return list.split(",").map((name) => name.trim()).filter(Boolean);
  throw new Failure(
    `the REST API of ${key} does not say which schemas it shows, and pushing ours might take yours away`,
    "Add strata under Settings, API, exposed schemas in the dashboard, and deploy again.",
  );
}

async function ask({ url, key }: NonNullable<Tier["api"]>): Promise<unknown> {
  try {
    const response = await keyFetch()(`${url}/rest/v1/`, {
      headers: { apikey: key, "accept-profile": NOBODYS },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return await response.json();
  } catch {
    return undefined; // said by who asks
  }
}
