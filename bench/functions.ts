/** What each edge function costs: CPU per call and memory, each alone in a process of its own. */
import { format as size } from "@std/fmt/bytes";
import { z } from "zod";
import { ending } from "../local/ending.ts";
import { functionNames } from "../local/functions.ts";
import { testProject } from "../tests/support/project.ts";
import { lettersChain, writeLetters } from "./letters.ts";

const Cost = z.object({
  start_ms: z.number(),
  first_ms: z.number(),
  call_ms: z.number(),
  runtime_bytes: z.number(),
  loaded_bytes: z.number(),
  peak_bytes: z.number(),
  status: z.number(),
  answer: z.string(),
});

/** What one function costs. */
export type FunctionCost = z.infer<typeof Cost> & { name: string; did: string };

/** What a worker of the free plan may use. */
const MAX_CPU_MS = 2_000;
const MAX_BYTES = 256 * 1024 * 1024;

/** Measures every function; the relay carries so many rows of about 470 bytes. */
export async function benchFunctions(
  rows: number,
  calls: number,
  say: (line: string) => void,
): Promise<FunctionCost[]> {
  await using chain = await lettersChain("relay");
  const { core, main } = chain;
  say(`writing ${rows} rows`);
  await writeLetters(core.sql, { rows, characters: 400, daysOld: 90 });
  await using hot = testProject(core);
  await using cold = testProject(main);
  const variables = {
    SUPABASE_URL: hot.url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: hot.secretKey }),
    STRATA_CORE_URL: hot.url,
    STRATA_CORE_KEY: hot.secretKey,
    STRATA_MAIN_URL: cold.url,
    STRATA_MAIN_KEY: cold.secretKey,
  };
  const found: FunctionCost[] = [];
  for (const name of await functionNames()) {
    const isRelay = name === "relay";
    say(name);
    const task = isRelay
      ? { method: "POST", body: JSON.stringify({ from: "core", to: "main" }), calls: 1 }
      : { method: "GET", body: null, calls };
    const cost = await measure({ name, variables, ...task });
    found.push({ ...cost, name, did: isRelay ? `POST: ${cost.answer}` : `GET: ${cost.status}` });
  }
  return found;
}

async function measure(task: Record<string, unknown>): Promise<z.infer<typeof Cost>> {
  const script = `${import.meta.dirname}/function_process.ts`;
  const flags = [
    "run",
    "--quiet",
    "--allow-all",
    "--config",
    `${import.meta.dirname}/../deno.json`,
  ];
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: [...flags, script, JSON.stringify(task)],
    stderr: "piped",
    signal: ending,
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(text.decode(stderr));
  return Cost.parse(JSON.parse(text.decode(stdout).trim().split("\n").at(-1) ?? ""));
}

/** The measured costs for people to read. */
export function functionTable(costs: readonly FunctionCost[]): string {
  const lines = costs.map((cost) =>
    [
      cost.name.padEnd(15),
      `${cost.start_ms.toFixed(0)} ms`.padStart(9),
      `${cost.first_ms.toFixed(0)} ms`.padStart(9),
      `${cost.call_ms.toFixed(1)} ms`.padStart(10),
      size(cost.peak_bytes).padStart(10),
      size(cost.peak_bytes - cost.loaded_bytes).padStart(12),
      `  ${cost.did}`,
    ].join("")
  );
  return [
    `${"".padEnd(15)}${"start".padStart(9)}${"first".padStart(9)}${"a call".padStart(10)}` +
    `${"peak".padStart(10)}${"of it calls".padStart(12)}  (CPU; a worker has ${MAX_CPU_MS} ms and ${
      size(MAX_BYTES)
    })`,
    ...lines,
  ].join("\n");
}
