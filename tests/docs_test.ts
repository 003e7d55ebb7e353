import { assert, assertEquals } from "@std/assert";
import { dirname, join, normalize } from "@std/path";
import { run } from "../cli/main.ts";
import { REPOSITORY } from "../local/settings.ts";

const README_LINES = 150;

/** A Markdown file, and where it is. */
interface Page {
  path: string;
  text: string;
}

Deno.test("every link in Markdown leads to a file that is there, and to a heading in it", async () => {
  const pages = new Map((await markdown()).map((page) => [page.path, page.text]));
  assert(pages.size > 20);
  const dead: string[] = [];
  for (const [path, text] of pages) {
    for (const { file, heading } of linksIn({ path, text })) {
      const target = pages.get(file);
      const isThere = target !== undefined || await exists(file);
      if (!isThere) dead.push(`${path}: ${file}`);
      else if (heading !== "" && target !== undefined && !headings(target).includes(heading)) {
        dead.push(`${path}: ${file}#${heading}`);
      }
    }
  }
  assertEquals(dead, []);
});

Deno.test("every page of docs can be reached from README", async () => {
  const pages = new Map((await markdown()).map((page) => [page.path, page]));
  const seen = new Set<string>();
  const open = ["README.md"];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const page = pages.get(path);
    if (page === undefined || seen.has(path)) continue;
    seen.add(path);
    open.push(...linksIn(page).map(({ file }) => file));
  }
  const docs = [...pages.keys()].filter((path) => path.startsWith("docs/"));
  assert(docs.length > 15);
  assertEquals(docs.filter((path) => !seen.has(path)), []);
});

Deno.test("README is short enough to be read", async () => {
  const lines = (await read("README.md")).trimEnd().split("\n").length;
  assert(lines <= README_LINES, `${lines} lines`);
});

Deno.test("every topic of supabase/schemas and every file of it is on the map", async () => {
  const map = await read("ARCHITECTURE.md");
  const { releases } = JSON.parse(await read("supabase/schemas/release.json"));
  const topics: string[] = releases.flatMap(({ folders }: { folders: string[] }) => folders);
  assert(topics.length > 10);
  const missing: string[] = [];
  for (const topic of topics) {
    const says = new RegExp(`^- \\*\\*${topic}\\*\\*[^]*?(?=\\n- \\*\\*|\\n\\n)`, "m").exec(map)
      ?.[0];
    if (says === undefined) missing.push(topic);
    for (const idea of await ideasOf(topic)) {
      if (!says?.includes(`\`${idea}\``)) missing.push(`${topic}/${idea}.sql`);
    }
  }
  assertEquals(missing, []);
});

Deno.test("every command that the docs show is there, and has the options they show", async () => {
  const wrong = new Set<string>();
  const called = (await markdown()).flatMap(({ path, text }) =>
    [...text.matchAll(/deno task strata ([a-z][a-z-]+)(?![\w.])((?:[^`\n#|]|\|\|)*)/g)].map((
      [, name = "", rest = ""],
    ) => ({ path, name, options: [...rest.matchAll(/(?<= )--[a-z][a-z-]*/g)].map(([one]) => one) }))
  );
  assert(called.length > 50);
  const helps = new Map<string, string>();
  for (const { path, name, options } of called) {
    if (!helps.has(name)) helps.set(name, await helpOf(name));
    const help = helps.get(name) ?? "";
    if (help === "") wrong.add(`${path}: ${name}`);
    for (const option of help === "" ? [] : options) {
      if (!new RegExp(`${option}\\b(?!-)`).test(help)) wrong.add(`${path}: ${name} ${option}`);
    }
  }
  assertEquals([...wrong], []);
});

Deno.test("every name of SQL and every error that the docs mention is there", async () => {
  const sql = await schemas();
  const isThere = (name: string) =>
    new RegExp(`create (table|function|procedure|type|view) strata\\.${name}\\b`).test(sql) ||
    sql.includes(`'strata.${name}'`); // a setting of the session
  const wrong = new Set<string>();
  const pages = (await markdown()).filter(({ path }) => path !== "CHANGELOG.md");
  const mentions = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/(?<![\w/.-])strata\.([a-z_]+)(?![\w<]|\.\w)|\b(ST\d{3})\b/g)].map((
      [, name, code],
    ) => ({ path, name, code }))
  );
  assert(mentions.length > 100);
  for (const { path, name, code } of mentions) {
    if (code !== undefined && !sql.includes(`('${code}',`)) wrong.add(`${path}: ${code}`);
    if (name !== undefined && name !== "yaml" && !isThere(name)) wrong.add(`${path}: ${name}`);
  }
  assertEquals([...wrong], []);
});

/** What `--help` says of a command; nothing where there is no such command. */
async function helpOf(name: string): Promise<string> {
  const said: string[] = [];
  const code = await run([name, "--help"], { out: (text) => said.push(text), err: () => {} });
  const help = said.join("\n");
  return code === 0 && help.startsWith(`Usage: strata ${name}`) ? help : "";
}

/** Links to files of the repository, code left out. */
function linksIn({ path, text }: Page): { file: string; heading: string }[] {
  const prose = text.replace(/^ *```[^]*?^ *```$/gm, "").replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].flatMap(([, target = ""]) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [file = "", heading = ""] = target.split("#");
    return [{ file: file === "" ? path : normalize(join(dirname(path), file)), heading }];
  });
}

/** The headings of a page, as links name them. */
function headings(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  );
}

/** Files of a topic that hold code, by name. */
async function ideasOf(topic: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isFile } of Deno.readDir(`${REPOSITORY}/supabase/schemas/${topic}`)) {
    const idea = name.replace(/\.sql$/, "");
    if (isFile && !["install", "tables", "types", "seed"].includes(idea)) found.push(idea);
  }
  return found.sort();
}

/** All of supabase/schemas. */
async function schemas(folder = "supabase/schemas"): Promise<string> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${REPOSITORY}/${folder}`)) {
    if (isDirectory) texts.push(await schemas(`${folder}/${name}`));
    else if (name.endsWith(".sql")) texts.push(await read(`${folder}/${name}`));
  }
  return texts.join("\n");
}

async function markdown(folder = "."): Promise<Page[]> {
  const found: Page[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${REPOSITORY}/${folder}`)) {
    const path = normalize(`${folder}/${name}`);
    if (name.startsWith(".") || name === "node_modules" || path === "tests/upgrade/released") {
      continue;
    }
    if (isDirectory) found.push(...await markdown(path));
    else if (name.endsWith(".md")) found.push({ path, text: await read(path) });
  }
  return found;
}

function read(path: string): Promise<string> {
  return Deno.readTextFile(`${REPOSITORY}/${path}`);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(`${REPOSITORY}/${path}`).then(() => true, () => false);
}
