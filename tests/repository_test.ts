import { assert, assertEquals } from "@std/assert";
import { REPOSITORY } from "../local/settings.ts";

const MAX_FILE = 400;
const MAX_FUNCTION = 60;
const FOLDERS = ["supabase", "cli", "local", "tests", "bench"];

/** A file of ours and its lines. */
interface Source {
  path: string;
  lines: string[];
}

Deno.test("no file is longer than 400 lines, unless its first lines say why", async () => {
  const long = [];
  for await (const { path, lines } of sources()) {
    if (lines.length > MAX_FILE && !/long because/i.test(lines.slice(0, 15).join(" "))) {
      long.push(`${path}: ${lines.length}`);
    }
  }
  assertEquals(long, []);
});

Deno.test("no SQL function is longer than 60 lines", async () => {
  const found = await functionsOf(".sql", sqlFunctions);
  assert(found.length > 100);
  assertEquals(found.filter(({ length }) => length > MAX_FUNCTION), []);
});

Deno.test("no TypeScript function is longer than 60 lines", async () => {
  const found = await functionsOf(".ts", typescriptFunctions);
  assert(found.length > 100);
  assertEquals(found.filter(({ length }) => length > MAX_FUNCTION), []);
});

Deno.test("every export of TypeScript says what it is", async () => {
  const silent = [];
  for await (const { path, lines } of sources()) {
    if (!path.endsWith(".ts")) continue;
    for (const [at, line] of lines.entries()) {
      const isExport =
        /^export (?:default )?(?:async )?(?:function|class|const|interface|type \w|abstract)/;
      if (isExport.test(line) && !lines[at - 1]?.endsWith("*/")) silent.push(`${path}:${at + 1}`);
    }
  }
  assertEquals(silent, []);
});

interface Found {
  where: string;
  length: number;
}

async function functionsOf(ending: string, find: (lines: string[]) => [number, number][]) {
  const found: Found[] = [];
  for await (const { path, lines } of sources()) {
    if (!path.endsWith(ending)) continue;
    for (const [from, to] of find(lines)) {
      found.push({ where: `${path}:${from + 1}`, length: to - from + 1 });
    }
  }
  return found;
}

/** From `create function` to the `$$` or `end;` that ends its body. */
function sqlFunctions(lines: string[]): [number, number][] {
  return lines.flatMap((line, from): [number, number][] => {
    if (!/^create (or replace )?(function|procedure)/.test(line)) return [];
    const to = lines.findIndex((one, at) => at >= from && /\$\$;|^\$\$$|^end;$/.test(one));
    return to < 0 ? [] : [[from, to]];
  });
}

/** From a function's first line to the closing brace below it; the formatter lines them up. */
function typescriptFunctions(lines: string[]): [number, number][] {
  return lines.flatMap((line, from): [number, number][] => {
    const isFunction = /^\s*(?:export |default |async )*function\b|=> \{$|^\s*constructor\(/;
    const isMethod = /^\s+(?!if|for|while|switch|catch)(?:async |static |\*)*\w+\(.*\{$/;
    if (!isFunction.test(line) && !isMethod.test(line)) return [];
    const indent = /^\s*/.exec(line)?.[0] ?? "";
    const to = lines.findIndex((one, at) => at > from && one.startsWith(`${indent}}`));
    return to < 0 ? [] : [[from, to]];
  });
}

async function* sources(): AsyncGenerator<Source> {
  for (const folder of FOLDERS) yield* sourcesBelow(folder);
}

async function* sourcesBelow(folder: string): AsyncGenerator<Source> {
  const entries = await Array.fromAsync(Deno.readDir(`${REPOSITORY}/${folder}`)).catch(() => []);
  for (const { name, isDirectory } of entries) {
    const path = `${folder}/${name}`;
    if (path === "tests/upgrade/released") continue; // they are as they were
    if (isDirectory) yield* sourcesBelow(path);
    else if (/\.(ts|sql)$/.test(name)) {
      yield {
        path,
        lines: (await Deno.readTextFile(`${REPOSITORY}/${path}`)).trimEnd().split("\n"),
      };
    }
  }
}
