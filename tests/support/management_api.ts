/** Supabase's management API, as far as the CLI needs it to deploy functions, set secrets and push the configuration. */
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
  /** Secrets that were set, by name. */
  secrets: Map<string, string>;
  /** Schemas that answer over the project's REST API. */
  exposed: string[];
  /** What was to be changed of the project's configuration: "PATCH path", then the body. */
  changes: [request: string, body: unknown][];
  /** Every request as "METHOD path". */
  requests: string[];
  /** What the CLI must find in its environment to talk to this instead of the platform. */
  environment(directory: string): Promise<Record<string, string>>;
}

/** The project that is deployed to. */
export const PROJECT = "abcdefghijklmnopqrst";

/** Starts the stand-in; `refuse` answers everything that would change the project with that status. */
export function managementApi({ refuse }: { refuse?: number } = {}): ManagementApi {
  const uploads: Upload[] = [];
  const secrets = new Map<string, string>();
  const exposed = ["public", "graphql_public"]; // as a new project has them
  const changes: ManagementApi["changes"] = [];
  const requests: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const url = new URL(request.url);
    requests.push(`${request.method} ${url.pathname}`);
    const slug = url.searchParams.get("slug");
    if (request.method === "GET") return answerOf(url.pathname, exposed);
    if (refuse !== undefined) return Response.json({ message: "no" }, { status: refuse });
    if (url.pathname.endsWith("/functions/deploy") && slug !== null) {
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
      for (const { name, value } of await request.json()) secrets.set(name, value);
      return new Response(null, { status: 201 });
    }
    if (request.method === "PATCH") {
      const body = await request.json();
      changes.push([`PATCH ${url.pathname}`, body]);
      if (url.pathname.endsWith("/postgrest")) {
        exposed.splice(0, Infinity, ...body.db_schema.split(","));
      }
      return Response.json({ ...dataApi(exposed), ...body });
    }
    return Response.json({ message: "not found" }, { status: 404 });
  });
  return {
    uploads,
    secrets,
    exposed,
    changes,
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

/** What a project says of itself. */
function answerOf(path: string, exposed: string[]): Response {
  const project = `/v1/projects/${PROJECT}`;
  switch (path) {
    case project:
      return Response.json({ id: PROJECT, ref: PROJECT, name: "core", status: "ACTIVE_HEALTHY" });
    case `${project}/billing/addons`:
      return Response.json({ selected_addons: [], available_addons: [] });
    case `/v2/projects/${PROJECT}/config`: {
      const attributes = { api: dataApi(exposed) };
      return Response.json({ data: { type: "project_config", id: PROJECT, attributes } });
    }
    default:
      return Response.json({ message: "not found" }, { status: 404 });
  }
}

/** The settings of a project's REST API. */
function dataApi(exposed: string[]) {
  return {
    db_schema: exposed.join(","),
    db_extra_search_path: "public, extensions",
    max_rows: 1000,
    db_pool: null,
    db_pool_acquisition_timeout: 10,
    db_pool_max_lifetime: null,
    db_pool_max_idletime: null,
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
