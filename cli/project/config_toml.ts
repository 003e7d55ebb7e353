/** Strata's part of an application's config.toml: between two lines of its own, so that the rest stays as it is. */
import { Failure } from "../lib/errors.ts";

const BEGIN =
  "# >>> strata: made by `deno task strata add`, taken out by `deno task strata remove`";
const END = "# <<< strata";

/** Puts Strata's part in, at the end or where it stood, and schema strata among those that the API answers for. */
export function withStrata(config: string, functions: readonly string[]): string {
  const own = withoutBlock(config);
  for (const name of functions) {
    if (!new RegExp(`^\\s*\\[functions\\.${name}\\]`, "m").test(own)) continue;
    throw new Failure(
      `config.toml has [functions.${name}] already, and not from Strata`,
      "Take that section out, or leave this function out with --functions.",
      2,
    );
  }
  const exposed = functions.length === 0 ? own : exposing(own);
  const sections = functions.map((name) =>
    `[functions.${name}]\nverify_jwt = false # it checks its callers itself\nimport_map = "./functions/${name}/deno.json"\n`
  );
  if (sections.length === 0) return exposed;
  return `${exposed.trimEnd()}\n\n${[BEGIN, sections.join("\n").trimEnd(), END].join("\n")}\n`;
}

/** The functions that Strata's part of a config.toml names. */
export function functionsIn(config: string): string[] {
  const part = config.split(BEGIN)[1]?.split(END)[0] ?? "";
  return [...part.matchAll(/^\[functions\.([\w-]+)\]$/gm)].map(([, name = ""]) => name);
}

/** Takes everything of Strata's out again. */
export function withoutStrata(config: string): string {
  return withoutBlock(config).replace(SCHEMAS, (line: string, list: string) => {
    const names = list.split(",").map((name) => name.trim()).filter((name) => name !== "");
    const others = names.filter((name) => name !== '"strata"');
    return others.length === names.length ? line : `schemas = [${others.join(", ")}]`;
  });
}

function withoutBlock(config: string): string {
  const from = config.indexOf(BEGIN);
  if (from < 0) return config;
  const to = config.indexOf(END, from);
  if (to < 0) {
    throw new Failure(
      `config.toml has the line "${BEGIN}" and not the line "${END}"`,
      "Put that line back below Strata's sections, or delete them all.",
      2,
    );
  }
  return `${config.slice(0, from).trimEnd()}\n${config.slice(to + END.length).replace(/^\n/, "")}`;
}

const SCHEMAS = /^schemas = \[([^\]#]*)\]/m;

/** The functions call schema strata with the secret key; its tables stay closed. */
function exposing(config: string): string {
  const found = SCHEMAS.exec(config);
  if (found !== null) {
    const names = (found[1] ?? "").split(",").map((name) => name.trim()).filter((name) =>
      name !== ""
    );
    if (names.includes('"strata"')) return config;
    return config.replace(SCHEMAS, () => `schemas = [${[...names, '"strata"'].join(", ")}]`);
  }
  const api = /^\[api\][^\n]*\n/m;
  const line = 'schemas = ["public", "graphql_public", "strata"]\n';
  if (api.test(config)) return config.replace(api, (head) => head + line);
  return `${config.trimEnd()}\n\n[api]\n${line}`;
}
