/**
 * Serves what a Supabase project has in front of its database, for every tier of a stack: the REST API
 * and the edge functions, at the address that is the tier's in the stack's env file. Started by `up`
 * with that file's path; lives through restarts of the servers.
 */
import { readEnvFile } from "./env_file.ts";
import { openFunctions, type Project } from "./functions.ts";
import { openRest } from "./rest.ts";
import { TIERS } from "./settings.ts";

/** A project that is being served. */
export interface Served extends AsyncDisposable {
  url: string;
}

/** Serves one project on its port; port 0 takes a free one. */
export function serveProject(project: Omit<Project, "url">, port: number): Served {
  const rest = openRest(project);
  let functions: ReturnType<typeof openFunctions> | undefined;
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith("/functions/v1/")) return await rest.fetch(request);
    functions ??= openFunctions({ ...project, url });
    return await (await functions)(request);
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return {
    url,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await rest.close();
    },
  };
}

async function main(path: string): Promise<void> {
  const env = await readEnvFile(path);
  // What relay and health need of the other tiers. Not the databases: carried over HTTP, as people would.
  const variables = Object.fromEntries(
    TIERS.flatMap((tier) => ["URL", "KEY"].map((what) => `STRATA_${tier.toUpperCase()}_${what}`))
      .map((name) => [name, env[name] ?? ""]),
  );
  for (const tier of TIERS) {
    const name = `STRATA_${tier.toUpperCase()}`;
    const project = {
      databaseUrl: env[`${name}_DB_URL`] ?? "",
      secretKey: env[`${name}_KEY`] ?? "",
      publishableKey: env[`${name}_PUBLISHABLE_KEY`] ?? "",
      variables: { ...variables, STRATA_WAKE_SECRET: env[`${name}_WAKE_SECRET`] ?? "" },
    };
    serveProject(project, Number(new URL(env[`${name}_URL`] ?? "").port));
  }
  console.log(`serving ${TIERS.join(", ")}`);
}

/** A server that goes away amid a query makes postgres.js fail in a timer, where nobody can catch it. */
export function outliveServers(): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    console.error("unhandled", event.reason);
    event.preventDefault();
  });
  globalThis.addEventListener("error", (event) => {
    console.error("unhandled", event.error);
    event.preventDefault();
  });
}

if (import.meta.main) {
  outliveServers();
  await main(Deno.args[0] ?? "");
}
