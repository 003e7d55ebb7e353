/** Supabase's management API, as far as the CLI needs it to deploy functions and set secrets. */
import { REPOSITORY } from "../../local/settings.ts";

/** One function as it was uploaded. */
export interface Upload {
  slug: string;
  metadata: { name: string; entrypoint_path: string; import_map_path: string; verify_jwt: boolean };
  /** The files by their path from the project's root. */
  files: Map<string, string>;
}

/** The stand-in, listening on loopback until the end of the block. */
export interface ManagementApi extends AsyncDisposable {
  uploads: Upload[];
  /** Names of secrets that were set. */
  secrets: string[];
  /** Every request as "METHOD path". */
  requests: string[];
  /** What the CLI must find in its environment to talk to this instead of the platform. */
  environment(directory: string): Promise<Record<string, string>>;
}

/** The project that is deployed to. */
export const PROJECT = "abcdefghijklmnopqrst";

/** Starts the stand-in; `refuse` answers every deployment with that status. */
export function managementApi({ refuse }: { refuse?: number } = {}): ManagementApi {
  const uploads: Upload[] = [];
  const secrets: string[] = [];
  const requests: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const url = new URL(request.url);
    requests.push(`${request.method} ${url.pathname}`);
    const slug = url.searchParams.get("slug");
    if (url.pathname.endsWith("/functions/deploy") && slug !== null) {
      if (refuse !== undefined) return Response.json({ message: "no" }, { status: refuse });
      uploads.push(await readUpload(slug, await request.formData()));
      return Response.json({ id: slug, slug, name: slug, status: "ACTIVE", version: 1 }, {
        status: 201,
      });
    }
    if (request.method === "PUT" && url.pathname.endsWith("/functions")) {
      const functions = await request.json();
      return Response.json({ functions });
    }
    if (request.method === "POST" && url.pathname.endsWith("/secrets")) {
      for (const { name } of await request.json()) secrets.push(name);
      return new Response(null, { status: 201 });
    }
    return Response.json({ message: "not found" }, { status: 404 });
  });
  return {
    uploads,
    secrets,
    requests,
    async environment(directory) {
      const profile = `${directory}/profile.yaml`;
      const api = `http://127.0.0.1:${server.addr.port}`;
      const lines = [`name: stand-in`, `api_url: ${api}`, `dashboard_url: ${api}`];
      await Deno.writeTextFile(profile, [...lines, "project_host: supabase.test", ""].join("\n"));
      return {
        SUPABASE_PROFILE: profile,
        SUPABASE_ACCESS_TOKEN: `sbp_${"0".repeat(40)}`,
        SUPABASE_PROJECT_ID: PROJECT,
        SUPABASE_HOME: `${directory}/home`,
        SUPABASE_NO_UPDATE_NOTIFIER: "1",
        SUPABASE_TELEMETRY_DISABLED: "1",
        SUPABASE_API_MAX_RETRIES: "0",
      };
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function readUpload(slug: string, form: FormData): Promise<Upload> {
  const files = new Map<string, string>();
  for (const part of form.getAll("file")) {
    if (part instanceof File) files.set(part.name, await part.text());
  }
  const metadata = form.get("metadata");
  const text = metadata instanceof File ? await metadata.text() : metadata ?? "{}";
  return { slug, metadata: JSON.parse(text), files };
}

/** Everything of the repository that a person who deploys has on the disk, in a place of its own. */
export async function copyOfProject(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "strata-deploy-" });
  await copyTree(`${REPOSITORY}/supabase`, `${path}/supabase`);
  for (const name of ["import_map.json", "deno.json"]) {
    await Deno.copyFile(`${REPOSITORY}/${name}`, `${path}/${name}`);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (name === ".temp" || name === ".branches") continue;
    if (isDirectory) await copyTree(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
