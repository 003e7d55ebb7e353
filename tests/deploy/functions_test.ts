import { assert, assertEquals, assertRejects } from "@std/assert";
import { z } from "zod";
import versions from "../../import_map.json" with { type: "json" };
import { copyFunctions } from "../../cli/deploy/copy.ts";
import { Failure } from "../../cli/lib/errors.ts";
import { EDGE_DENO, EDGE_DENO_ENV } from "../../local/edge_deno.ts";
import { functionNames } from "../../local/functions.ts";
import { REPOSITORY } from "../../local/settings.ts";
import {
  copyOfProject,
  type ManagementApi,
  managementApi,
  PROJECT,
  type Upload,
} from "../support/management_api.ts";

async function run(command: string, args: string[], cwd: string, env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd,
    env,
    stdin: "null",
  })
    .output();
  const text = new TextDecoder();
  return { code, output: text.decode(stdout) + text.decode(stderr) };
}

/** The real CLI, told that the platform is where the stand-in listens. */
async function deploy(api: ManagementApi, path: string) {
  const cli = versions.imports.supabase.replace("npm:", "");
  const flags = ["--yes", cli, "functions", "deploy", "--use-api", "--yes", "--workdir", path];
  return await run("npx", flags, path, await api.environment(path));
}

/** What lies about in a project and must stay there. */
const BAIT: Record<string, string> = {
  "supabase/functions/.env": "TELEGRAM_BOT_TOKEN=swordfish",
  "supabase/functions/strata-health/.env": "SECRET=swordfish",
  "supabase/functions/strata-health/.env.local": "SECRET=swordfish",
  "supabase/functions/strata-health/handler_test.ts": "// swordfish",
  "supabase/functions/_strata/fixture.json": '{"swordfish": true}',
  "supabase/functions/_strata/notes.md": "swordfish",
};

Deno.test("the CLI uploads each function with all it needs, and nothing else", async (t) => {
  await using api = managementApi();
  await using project = await copyOfProject();
  for (const [path, text] of Object.entries(BAIT)) {
    await Deno.writeTextFile(`${project.path}/${path}`, text);
  }
  const { code, output } = await deploy(api, project.path);
  assertEquals(code, 0, output);
  // A file that is missing is a warning to the CLI, and a function that does not start to everybody.
  assert(!output.includes("WARN"), output);
  const names = await functionNames();
  assert(names.length > 0);
  assertEquals(api.uploads.map(({ slug }) => slug).sort(), names);

  for (const upload of api.uploads) {
    const { metadata, files, slug } = upload;
    await t.step(`${slug}: sources alone, behind its own check of the key`, () => {
      assertEquals(metadata.verify_jwt, false);
      assertEquals(metadata.import_map_path, "import_map.json");
      const strange = [...files.keys()].filter((path) => {
        return path !== "import_map.json" &&
          !/^supabase\/functions\/[\w-]+\/[\w/-]+\.ts$/.test(path);
      });
      assertEquals(strange, []);
      assertEquals([...files.values()].filter((text) => text.includes("swordfish")), []);
      assertEquals([...files.keys()].filter((path) => /test|fixture|\.env/.test(path)), []);
    });
  }
  await t.step("what arrived is whole, each function by itself", () => wholeAlone(api.uploads));
});

/** Each function in a directory of its own, where it finds nothing of another. */
async function wholeAlone(uploads: Upload[]) {
  const directory = await Deno.makeTempDir({ prefix: "strata-uploaded-" });
  try {
    for (const { slug, files } of uploads) {
      for (const [path, text] of files) {
        assertEquals(text, await Deno.readTextFile(`${REPOSITORY}/${path}`), path);
        const target = `${directory}/${slug}/${path}`;
        await Deno.mkdir(target.replace(/\/[^/]+$/, ""), { recursive: true });
        await Deno.writeTextFile(target, text);
      }
    }
    const maps = uploads.map(({ metadata, files }) => files.get(metadata.import_map_path));
    assertEquals(new Set(maps).size, 1); // so that the first one's may stand for all
    const map = `${uploads[0]?.slug}/${uploads[0]?.metadata.import_map_path}`;
    const entries = uploads.map(({ slug, metadata }) => `${slug}/${metadata.entrypoint_path}`);
    await areWhole(directory, entries, `--import-map=${map}`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const Graph = z.object({
  modules: z.array(z.object({ specifier: z.string(), error: z.string().optional() })),
});

/**
 * The Deno of the edge runtime finds all that functions import. `deno task ok` has type-checked the same
 * files with it: they are compared with those of the repository, byte by byte.
 */
async function areWhole(directory: string, entries: string[], ...flags: string[]) {
  const imports = entries.map((entry) => `import "./${entry}";\n`);
  await Deno.writeTextFile(`${directory}/all.ts`, imports.join(""));
  const args = ["--yes", EDGE_DENO, "info", "--json", "--no-lock", ...flags, "all.ts"];
  const { code, output } = await run("npx", args, directory, EDGE_DENO_ENV);
  assertEquals(code, 0, output);
  const { modules } = Graph.parse(JSON.parse(output.slice(output.indexOf("{"))));
  assertEquals(modules.filter(({ error }) => error !== undefined), []);
  for (const entry of entries) {
    assert(modules.some(({ specifier }) => specifier.endsWith(`/${entry}`)), entry);
  }
}

Deno.test("a file that was forgotten does not pass", async () => {
  await using api = managementApi();
  await using project = await copyOfProject();
  await Deno.remove(`${project.path}/supabase/functions/_strata/http/log.ts`);
  const { output } = await deploy(api, project.path);
  assert(output.includes("WARN"), output);
});

Deno.test("a deployment the platform refuses fails", async () => {
  await using api = managementApi({ refuse: 403 });
  await using project = await copyOfProject();
  const { code } = await deploy(api, project.path);
  assertEquals(code, 1);
  assertEquals(api.uploads, []);
  assert(api.requests.some((request) => request.includes(PROJECT)));
});

Deno.test("copied for a self-hosted instance, every function is whole beside its deno.json", async () => {
  const volume = await Deno.makeTempDir({ prefix: "strata-volume-" });
  try {
    const names = await copyFunctions(volume);
    assertEquals(names, await functionNames());
    const [first = "", ...others] = names;
    const config = await Deno.readTextFile(`${REPOSITORY}/import_map.json`);
    for (const name of names) {
      assertEquals(await Deno.readTextFile(`${volume}/${name}/deno.json`), config);
    }
    await areWhole(`${volume}/${first}`, ["index.ts"]); // finds the deno.json beside it
    const entries = others.map((name) => `${name}/index.ts`);
    await areWhole(volume, entries, `--config=${first}/deno.json`);
    await sameSources(`${REPOSITORY}/supabase/functions`, volume);
  } finally {
    await Deno.remove(volume, { recursive: true });
  }
});

/** Every source of the functions is there as it is here. */
async function sameSources(from: string, to: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await sameSources(`${from}/${name}`, `${to}/${name}`);
    else if (name.endsWith(".ts")) {
      const [ours, copied] = await Promise.all(
        [from, to].map((folder) => Deno.readTextFile(`${folder}/${name}`)),
      );
      assertEquals(copied, ours, name);
    }
  }
}

Deno.test("a volume that is not there is not made", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const volume = `${directory}/volumes/functions`;
    await assertRejects(() => copyFunctions(volume), Failure, `There is no folder ${volume}`);
    assertEquals(await Array.fromAsync(Deno.readDir(directory)), []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("every function has its entry in config.toml, and its index.ts does nothing but wire it", async () => {
  const config = await Deno.readTextFile(`${REPOSITORY}/supabase/config.toml`);
  for (const name of await functionNames()) {
    const entry = `[functions.${name}]\nverify_jwt = false\nimport_map = "../import_map.json"\n`;
    assert(`${config}\n`.includes(entry), `${name} lacks its entry in config.toml`);
    const index = await Deno.readTextFile(`${REPOSITORY}/supabase/functions/${name}/index.ts`);
    assertEquals(
      index,
      `import { wire } from "../_strata/http/wire.ts";\n` +
        `import { createHandler, Env } from "./handler.ts";\n\n` +
        `export default { fetch: wire("${name}", Env, createHandler) };\n`,
    );
  }
});
