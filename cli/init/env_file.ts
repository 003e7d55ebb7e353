/** `.env` as init keeps it: what stands there stays, line by line, and nobody else may read it. */
import { parseEnv } from "node:util";
import { Failure } from "../lib/errors.ts";

/** The variables of a file that may not be there. */
export async function readEnvFile(path: string): Promise<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(parseEnv(await textOf(path))).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]]
    ),
  );
}

/** Names of the variables that stand there with another value. */
export async function differing(path: string, values: Record<string, string>): Promise<string[]> {
  const there = await readEnvFile(path);
  return Object.entries(values)
    .filter(([name, value]) => (there[name] ?? "") !== "" && there[name] !== value)
    .map(([name]) => name);
}

/** Writes variables in the place where each stands already, or at the end; the file is whole at any time. */
export async function writeEnvFile(path: string, values: Record<string, string>): Promise<void> {
  const rest = new Map(Object.entries(values));
  const lines = (await textOf(path)).split("\n").flatMap((line) => {
    const name = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/.exec(line)?.[1];
    if (name === undefined || !(name in values)) return [line];
    const value = rest.get(name);
    rest.delete(name);
    return value === undefined ? [] : [`${name}=${quoted(value)}`]; // the later of two would win
  });
  while (lines.at(-1) === "") lines.pop();
  for (const [name, value] of rest) lines.push(`${name}=${quoted(value)}`);
  const target = await Deno.realPath(path).catch(() => path);
  const made = `${target}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    await Deno.writeTextFile(made, `${lines.join("\n")}\n`, { mode: 0o600, createNew: true });
    await Deno.chmod(made, 0o600).catch(() => {}); // Windows has no modes
    await Deno.rename(made, target);
  } catch (error) {
    await Deno.remove(made).catch(() => {});
    throw error;
  }
}

/** As both a shell and the reader of such files take it. */
function quoted(value: string): string {
  if (/^[\w./:@%?&=+,~\-[\]]*$/.test(value)) return value;
  if (!value.includes("'")) return `'${value}'`;
  throw new Failure("A value holds a quote, which .env cannot", "Write %27 for it.", 2);
}

async function textOf(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
