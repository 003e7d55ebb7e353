import { createClient } from "@supabase/supabase-js";
import type { Sql } from "postgres";
import { randomSecret } from "../../local/env_file.ts";
import { serveProject } from "../../local/projects.ts";

/** A project in front of a database of one's own: REST and functions, gone at the end of the block. */
export interface TestProject extends AsyncDisposable {
  url: string;
  secretKey: string;
  publishableKey: string;
  /** What its database has to sign with to wake a function. */
  wakeSecret: string;
}

/** Serves a test database as the platform serves a project's; functions find it in SUPABASE_URL. */
export function testProject(
  { url: databaseUrl }: { url: string },
  variables: Readonly<Record<string, string>> = {},
): TestProject {
  const secretKey = `sb_secret_${crypto.randomUUID().replaceAll("-", "")}`;
  const publishableKey = `sb_publishable_${crypto.randomUUID().replaceAll("-", "")}`;
  const wakeSecret = randomSecret(32);
  const served = serveProject({
    databaseUrl,
    secretKey,
    publishableKey,
    variables: { STRATA_WAKE_SECRET: wakeSecret, ...variables },
  }, 0);
  return Object.assign(served, { secretKey, publishableKey, wakeSecret });
}

/** Tells a database how to wake the functions of its project, as `setup` does. */
export async function tellProject(sql: Sql, { url, wakeSecret }: TestProject): Promise<void> {
  await sql`
    select strata.set_secret('project_url', ${url}), strata.set_secret('wake_secret', ${wakeSecret})`;
}

/** supabase-js with a project's secret key, as schema `strata` is called. */
export function clientOf({ url, secretKey }: TestProject) {
  return createClient(url, secretKey, {
    db: { schema: "strata" },
    auth: { persistSession: false, autoRefreshToken: false },
  });
}
