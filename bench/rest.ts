import { createClient } from "@supabase/supabase-js";
import versions from "../import_map.json" with { type: "json" };
import { ending } from "../local/ending.ts";
import { waitFor } from "../local/wait_for.ts";
import type { TestChain } from "../tests/support/chain.ts";
import { createLetters, seconds } from "./letters.ts";

const KEY = "sb_secret_bench";

/** What people write today: read a page of old rows, insert each over there, delete it here. */
export async function byRest({ core, main }: TestChain): Promise<number> {
  await createLetters(main.sql);
  await using hot = await gateway(core.url);
  await using cold = await gateway(main.url);
  const [from, into] = [createClient(hot.url, KEY), createClient(cold.url, KEY)];

  return await seconds(async () => {
    while (true) {
      const { data: page } = await from.from("letters").select("*").order("created_at").limit(100)
        .throwOnError();
      if (page.length === 0) return;
      for (const row of page) {
        await into.from("letters").insert(row).throwOnError();
        await from.from("letters").delete().eq("id", row.id).throwOnError();
      }
    }
  });
}

/** A PostgREST-compatible gateway to a database, in a process of its own. */
async function gateway(databaseUrl: string): Promise<AsyncDisposable & { url: string }> {
  const directory = await Deno.makeTempDir({ prefix: "strata-bench-" });
  const port = freePort();
  await Deno.writeTextFile(
    `${directory}/config.toml`,
    `[api]\nport = ${port}\n[db]\ndriver = "postgres"\nurl = "${databaseUrl}"\n` +
      `[auth]\njwt_secret = "${crypto.randomUUID()}"\n` +
      `publishable_key = "sb_publishable_bench"\nsecret_key = "${KEY}"\n`,
  );
  const packages = [versions.imports["@supabase/lite"], versions.imports.postgres];
  const server = new Deno.Command("npx", {
    args: ["--yes", ...packages.map((name) => name.replace("npm:", "--package="))]
      .concat("-c", "exec lite start --config config.toml"), // exec: npx hands its signal on
    cwd: directory,
    env: { LITE_TELEMETRY: "0" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
    signal: ending,
  }).spawn();

  const stop = async () => {
    server.kill("SIGTERM");
    await server.status;
    await Deno.remove(directory, { recursive: true });
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitFor("the gateway to answer", () => answers(url), { timeoutMs: 60_000 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: stop };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/rest/v1/letters?limit=1`, { headers: { apikey: KEY } });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // nobody listens yet
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
