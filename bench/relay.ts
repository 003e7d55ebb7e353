/** Rows carried by the edge function, which runs in this process, as it does when no other tier can be dialled. */
import { z } from "zod";
import { loadFunction } from "../local/functions.ts";
import type { TestChain } from "../tests/support/chain.ts";
import { serve } from "../tests/fire/life/projects.ts";
import { seconds } from "./letters.ts";

const Slice = z.object({
  outcome: z.literal("carried"),
  failed: z.array(z.unknown()).length(0),
  left: z.boolean(),
});

/** Over the REST APIs of both ends, each in a process of its own. */
export async function byRelay({ core, main }: TestChain): Promise<number> {
  const log: string[] = [];
  const gateways = await Promise.all([core, main].map(async ({ tier, url }) => {
    const key = newKey();
    const project = { databaseUrl: url, secretKey: key, publishableKey: newKey() };
    const gateway = await serve([project], log);
    return { ...gateway, tier: tier.toUpperCase(), key };
  }));
  const variables = gateways.flatMap(({ tier, key, ports: [port] }) => [
    [`STRATA_${tier}_URL`, `http://127.0.0.1:${port}`],
    [`STRATA_${tier}_KEY`, key],
  ]);
  try {
    return await carry(Object.fromEntries(variables));
  } finally {
    await Promise.all(gateways.map((gateway) => gateway.kill()));
  }
}

/** Over a Postgres connection to each end. */
export function byRelayOverPostgres({ core, main }: TestChain): Promise<number> {
  return carry({ STRATA_CORE_DB_URL: core.url, STRATA_MAIN_DB_URL: main.url });
}

/** As the source wakes it: the same call until nothing is left. */
async function carry(variables: Record<string, string>): Promise<number> {
  const key = newKey();
  const relay = await loadFunction("strata-relay", {
    ...variables,
    SUPABASE_URL: "http://127.0.0.1:1",
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: key }),
  });
  const headers = { apikey: key, "content-type": "application/json" };
  const body = JSON.stringify({ from: "core", to: "main" });
  const ask = async (query = "") => {
    const url = `http://bench.test/relay${query}`;
    return await (await relay(new Request(url, { method: "POST", headers, body }))).json();
  };
  await ask("?dry_run=1"); // a gateway that has just been started reads the catalogue first
  return await seconds(async () => {
    let left = true;
    while (left) {
      const answer = await ask();
      const slice = Slice.safeParse(answer);
      if (!slice.success) throw new Error(`the relay says: ${JSON.stringify(answer)}`);
      left = slice.data.left;
    }
  });
}

function newKey(): string {
  return `sb_secret_${crypto.randomUUID().replaceAll("-", "")}`;
}
