/**
 * The edge functions of a local tier, in one process, below `/functions/v1/<name>`. Each is built from
 * its handler.ts, as its index.ts would build it, with the variables of the tier it is asked through:
 * on the platform, too, each project has its own.
 */
import { z } from "zod";
import type { Handler } from "../supabase/functions/_strata/http/http.ts";
import { PlatformEnv } from "../supabase/functions/_strata/http/env.ts";
import { type Deps, wire } from "../supabase/functions/_strata/http/wire.ts";
import { readEnvFile } from "./env_file.ts";
import { REPOSITORY } from "./settings.ts";

const FUNCTIONS = `${REPOSITORY}/supabase/functions`;
const PATH = /^\/functions\/v1\/([a-z0-9-]+)(\/.*)?$/;

/** What a project is to its functions. */
export interface Project {
  url: string;
  databaseUrl: string;
  secretKey: string;
  publishableKey: string;
  /** Variables of the functions beside the platform's; over those of supabase/functions/.env. */
  variables?: Readonly<Record<string, string>>;
}

/** What handler.ts of a function exports. */
interface FunctionModule {
  Env: z.ZodType<PlatformEnv>;
  createHandler(deps: Deps): Handler;
}

const FunctionModule = z.object({
  Env: z.custom<FunctionModule["Env"]>((value) => value instanceof z.ZodType),
  createHandler: z.custom<FunctionModule["createHandler"]>((value) => typeof value === "function"),
});

/** The names of all functions. */
export async function functionNames(): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(FUNCTIONS));
  return entries.filter(({ name, isDirectory }) => isDirectory && !name.startsWith("_"))
    .map(({ name }) => name).sort();
}

/** Builds one function as its index.ts would, with the given variables. */
export async function loadFunction(
  name: string,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<Handler> {
  const module = await import(`${FUNCTIONS}/${name}/handler.ts`);
  const { Env, createHandler } = FunctionModule.parse(module);
  return wire(name, Env, createHandler, variables);
}

/** Builds every function for a project; a request for any other name is answered as hosted does. */
export async function openFunctions(project: Project): Promise<Handler> {
  const variables = await functionVariables(project);
  const handlers = new Map<string, Handler>();
  for (const name of await functionNames()) {
    handlers.set(name, await loadFunction(name, variables));
  }
  return async (request) => {
    const url = new URL(request.url);
    const [, name = "", rest = ""] = PATH.exec(url.pathname) ?? [];
    const handler = handlers.get(name);
    if (handler === undefined) {
      const message = "Requested function was not found";
      return Response.json({ code: "NOT_FOUND", message }, { status: 404 });
    }
    url.pathname = `/${name}${rest}`; // what the function itself gets to see
    return await handler(new Request(url, request));
  };
}

/** The platform's variables, and under them what a person keeps in supabase/functions/.env. */
async function functionVariables(project: Project): Promise<Record<string, string | undefined>> {
  return {
    ...await readEnvFile(`${FUNCTIONS}/.env`),
    ...project.variables,
    SUPABASE_URL: project.url,
    SUPABASE_DB_URL: project.databaseUrl,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: project.secretKey }),
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: project.publishableKey }),
  };
}
