import { assertEquals, assertRejects } from "@std/assert";
import { z } from "zod";
import versions from "../../import_map.json" with { type: "json" };
import settings from "../../deno.json" with { type: "json" };
import { EDGE_DENO, EDGE_DENO_ENV } from "../../local/edge_deno.ts";
import { functionNames } from "../../local/functions.ts";
import { REPOSITORY } from "../../local/settings.ts";

/** Asked for by a range, and nothing of it is ever loaded: the third test shows that. */
const NEVER_LOADED = [
  ...["@supabase/middleware", "std-env"], // of @supabase/server beside its core
  ...["abort-controller", "debug", "event-target-shim", "ms", "node-fetch"], // of grammY on Node
  ...["tr46", "webidl-conversions", "whatwg-url"],
];

const Lock = z.object({
  npm: z.record(z.string(), z.unknown()),
  workspace: z.object({ dependencies: z.array(z.string()) }),
});
const lock = Lock.parse(JSON.parse(await Deno.readTextFile(`${REPOSITORY}/deno.lock`)));

const Info = z.object({
  npmPackages: z.record(
    z.string(),
    z.object({ name: z.string(), version: z.string(), dependencies: z.array(z.string()) }),
  ),
});

/** The Deno of the edge runtime with a cache of its own, and no lock: as the platform bundles. */
async function edgeDeno(home: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("npx", {
    args: ["--yes", EDGE_DENO, ...args],
    cwd: home,
    env: { ...EDGE_DENO_ENV, DENO_DIR: `${home}/cache`, NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(text.decode(stderr));
  return text.decode(stdout);
}

const flags = ["--quiet", "--no-lock", "--import-map", `${REPOSITORY}/import_map.json`];

/** A program that loads every function, beside a cache that holds what it takes and nothing else. */
async function everything() {
  const home = await Deno.makeTempDir({ prefix: "strata-pinned-" });
  const imports = (await functionNames()).map((name) => {
    return `import "${REPOSITORY}/supabase/functions/${name}/index.ts";\n`;
  });
  await Deno.writeTextFile(`${home}/all.ts`, `${imports.join("")}console.log("loaded");\n`);
  await edgeDeno(home, "cache", ...flags, "all.ts");
  const info = Info.parse(JSON.parse(await edgeDeno(home, "info", "--json", ...flags, "all.ts")));
  return {
    home,
    packages: Object.values(info.npmPackages),
    [Symbol.asyncDispose]: () => Deno.remove(home, { recursive: true }),
  };
}

/** Where a package lies in the cache, whose one folder is called like the registry it came from. */
function cached(home: string, name: string): string {
  const npm = `${home}/cache/npm`;
  const [registry, ...others] = [...Deno.readDirSync(npm)].filter(({ isDirectory }) => isDirectory);
  if (registry === undefined || others.length > 0) {
    throw new Error(`${npm} is no cache of one registry`);
  }
  return `${npm}/${registry.name}/${name}`;
}

Deno.test("the lock is frozen: nothing runs here that it does not name", () => {
  assertEquals(settings.lock, { frozen: true });
  const wanted = Object.values(versions.imports).map((one) => {
    return one.replace(/^(npm:@?[^@]+@[^/]+).*$/, "$1");
  });
  assertEquals([...new Set(wanted)].sort(), [...lock.workspace.dependencies].sort());
});

Deno.test("what is deployed is pinned to the last package that is loaded", async (t) => {
  await using all = await everything();
  const { home, packages } = all;

  await t.step("without a lock the platform takes what deno.lock names", () => {
    const locked = Object.keys(lock.npm).map((key) => key.replace(/(?<=.)_.*$/, ""));
    const found = packages.map(({ name, version }) => `${name}@${version}`);
    assertEquals(found.filter((one) => !locked.includes(one)), []);
  });

  await t.step("what a package asks for by a range is imported here with its version", async () => {
    const imported = Object.values(versions.imports);
    const loose: string[] = [];
    for (const { name, version } of packages) {
      const path = `${cached(home, name)}/${version}/package.json`;
      const { dependencies = {} } = JSON.parse(await Deno.readTextFile(path));
      for (const [needed, range] of Object.entries(dependencies)) {
        const isExact = /^\d+\.\d+\.\d+$/.test(String(range));
        const isImported = imported.some((one) => one.startsWith(`npm:${needed}@`));
        if (isExact || isImported || NEVER_LOADED.includes(needed)) continue;
        loose.push(`${name} wants ${needed} ${range}`);
      }
    }
    assertEquals(loose, []);
  });

  await t.step("the others are never loaded", async () => {
    for (const name of NEVER_LOADED) await mine(cached(home, name));
    assertEquals(
      await edgeDeno(home, "run", "-A", "--cached-only", ...flags, "all.ts"),
      "loaded\n",
    );
    await mine(cached(home, "jose")); // the trap works: this one is loaded
    await assertRejects(() => edgeDeno(home, "run", "-A", "--cached-only", ...flags, "all.ts"));
  });
});

/** Puts a program that fails in the place of every one below a folder. */
async function mine(folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) await mine(`${folder}/${name}`);
    else if (/\.(js|cjs|mjs)$/.test(name)) {
      await Deno.writeTextFile(`${folder}/${name}`, `throw new Error("somebody loads this");\n`);
    }
  }
}
