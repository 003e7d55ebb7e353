/** Strata's part of an application's config.toml: between two lines of its own, so that the rest stays as it is. */
import { Failure } from "../lib/errors.ts";

const BEGIN =
  "# >>> strata: made by `deno task strata add`, taken out by `deno task strata remove`";
const END = "# <<< strata";

/** Puts Strata's part in, at the end, and schema strata among those that the API answers for. */
export function withStrata(config: string, functions: readonly string[]): string {
  if (functions.length === 0) return withoutStrata(config);
  return withOwnLineEnds(config, (text) => {
    const own = withoutBlock(text);
    for (const name of functions) {
      const section = `^[ \\t]*\\[\\s*functions\\s*\\.\\s*["']?${name}["']?\\s*\\]`;
      if (!new RegExp(section, "m").test(own)) continue;
      throw new Failure(
        `config.toml has [functions.${name}] already, and not from Strata`,
        "Take that section out, or leave this function out with --functions.",
        2,
      );
    }
    const sections = functions.map((name) =>
      `[functions.${name}]\nverify_jwt = false # it checks its callers itself\nimport_map = "./functions/${name}/deno.json"\n`
    );
    const block = [BEGIN, sections.join("\n").trimEnd(), END].join("\n");
    return `${exposing(own).trimEnd()}\n\n${block}\n`;
  });
}

/** A file whose lines end as on Windows keeps them so. */
function withOwnLineEnds(config: string, change: (config: string) => string): string {
  const isWindows = config.includes("\r\n") && !/(^|[^\r])\n/.test(config);
  if (!isWindows) return change(config);
  return change(config.replaceAll("\r\n", "\n")).replaceAll("\n", "\r\n");
}

/** The functions that Strata's part of a config.toml names. */
export function functionsIn(config: string): string[] {
  const part = config.split(BEGIN)[1]?.split(END)[0] ?? "";
  return [...part.matchAll(/^\[functions\.([\w-]+)\]$/gm)].map(([, name = ""]) => name);
}

/** Takes everything of Strata's out again. */
export function withoutStrata(config: string): string {
  return withOwnLineEnds(config, (text) => hiding(withoutBlock(text)));
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

/** One name in a list of config.toml, and where it stands. */
interface Name {
  name: string;
  from: number;
  to: number;
}

/** Where section [api] of a config.toml begins, and its list of schemas, wherever its lines break and with comments in it. */
function apiOf(
  config: string,
): { head: number; list?: { from: number; names: Name[] } } | undefined {
  const head = /^[ \t]*\[[ \t]*["']?api["']?[ \t]*\][^\n]*(\n|$)/m.exec(config);
  if (head === null) return undefined;
  const start = head.index + head[0].length;
  const section = config.slice(start).split(/^[ \t]*\[/m)[0] ?? "";
  const found = /^[ \t]*["']?schemas["']?[ \t]*=[ \t]*\[/m.exec(section);
  if (found === null) return { head: start };
  const from = start + found.index + found[0].length;
  return { head: start, list: { from, names: namesFrom(config, from) } };
}

function namesFrom(config: string, from: number): Name[] {
  const names: Name[] = [];
  for (const part of config.slice(from).matchAll(/#[^\n]*|"([^"\n]*)"|'([^'\n]*)'|\]/g)) {
    if (part[0] === "]") break;
    const at = from + part.index;
    const name = part[1] ?? part[2];
    if (name !== undefined) names.push({ name, from: at, to: at + part[0].length });
  }
  return names;
}

/** The functions call schema strata with the secret key; its tables stay closed. */
function exposing(config: string): string {
  const api = apiOf(config);
  const line = 'schemas = ["public", "graphql_public", "strata"]\n';
  if (api === undefined) {
    if (/^[ \t]*["']?api["']?[ \t]*[.=]/m.test(config)) {
      throw new Failure(
        "config.toml has api as a key, and no section [api]",
        'Write it as a section: [api], and below it schemas = ["public", "graphql_public"].',
        2,
      );
    }
    return `${config.trimEnd()}\n\n[api]\n${line}`;
  }
  if (api.list === undefined) {
    const before = config.slice(0, api.head);
    return `${before.endsWith("\n") ? before : `${before}\n`}${line}${config.slice(api.head)}`;
  }
  const { from, names } = api.list;
  if (names.some(({ name }) => name === "strata")) return config;
  const last = names.at(-1)?.to ?? from;
  return `${config.slice(0, last)}${names.length > 0 ? ", " : ""}"strata"${config.slice(last)}`;
}

/** Takes schema strata from the list, with the comma before it, or after it where it is the first. */
function hiding(config: string): string {
  const names = apiOf(config)?.list?.names ?? [];
  const at = names.findIndex(({ name }) => name === "strata");
  const ours = names[at];
  if (ours === undefined) return config;
  const before = config.slice(0, ours.from);
  const after = config.slice(ours.to);
  return at === 0
    ? before + after.replace(/^[ \t]*,[ \t]*/, "")
    : before.replace(/,\s*$/, "") + after;
}
