import { createClient } from "@supabase/supabase-js";
import { serveProject } from "../../local/projects.ts";

/** A project in front of a database of one's own: REST and functions, gone at the end of the block. */
export interface TestProject extends AsyncDisposable {
  url: string;
  secretKey: string;
  publishableKey: string;
}

/** Serves a test database as the platform serves a project's; functions find it in SUPABASE_URL. */
export function testProject(
  { url: databaseUrl }: { url: string },
  variables: Readonly<Record<string, string>> = {},
): TestProject {
  const secretKey = `sb_secret_${crypto.randomUUID().replaceAll("-", "")}`;
  const publishableKey = `sb_publishable_${crypto.randomUUID().replaceAll("-", "")}`;
  const served = serveProject({ databaseUrl, secretKey, publishableKey, variables }, 0);
  return Object.assign(served, { secretKey, publishableKey });
}

/** supabase-js with a project's secret key, as schema `strata` is called. */
export function clientOf({ url, secretKey }: TestProject) {
  return createClient(url, secretKey, {
    db: { schema: "strata" },
    auth: { persistSession: false, autoRefreshToken: false },
  });
}
