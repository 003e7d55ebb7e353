/** Clients at a fixed rate, and how long each of their transactions took. */
import { ending } from "../../local/ending.ts";
import { testStack } from "../../tests/support/stack.ts";

/** One transaction of a client. */
export interface Transaction {
  /** When it was done, in milliseconds since 1970. */
  at: number;
  /** From the moment it was to begin, so that a queue counts. */
  ms: number;
  /** Which of the scripts. */
  script: number;
}

/** What clients do: scripts of pgbench with their shares in a hundred. */
export interface Clients {
  url: string;
  scripts: readonly { share: number; sql: string }[];
  clients: number;
  seconds: number;
  /** Transactions a second, all clients together; as fast as they can when left out. */
  perSecond?: number;
}

/** What clients have seen. */
export interface Seen {
  transactions: Transaction[];
  errors: string[];
}

/** Lets clients work until their time is over. */
export async function runClients(clients: Clients): Promise<Seen> {
  const directory = await Deno.makeTempDir({ prefix: "strata-bench-" });
  try {
    const files = await Promise.all(clients.scripts.map(async ({ share, sql }, at) => {
      const path = `${directory}/${at}.sql`;
      await Deno.writeTextFile(path, sql);
      return `--file=${path}@${share}`;
    }));
    const { bin } = (await testStack()).servers.core;
    const { stderr } = await new Deno.Command(`${bin}/pgbench`, {
      args: [
        ...["--no-vacuum", "--protocol=prepared", "--log", `--log-prefix=${directory}/log`],
        ...[`--client=${clients.clients}`, `--time=${clients.seconds}`, ...files],
        ...(clients.perSecond === undefined ? [] : [`--rate=${clients.perSecond}`]),
        clients.url,
      ],
      stdout: "null",
      stderr: "piped",
      signal: ending,
    }).output();
    const text = await readLogs(directory);
    const errors = new TextDecoder().decode(stderr).split("\n")
      .filter((line) => /error|aborted|FATAL/i.test(line));
    const failed = text.split("\n").filter((line) => / failed /.test(line));
    return { transactions: parseLog(text), errors: [...errors, ...failed] };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function readLogs(directory: string): Promise<string> {
  const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
  const logs = names.filter((name) => name.startsWith("log."));
  return (await Promise.all(logs.map((name) => Deno.readTextFile(`${directory}/${name}`)))).join(
    "",
  );
}

/** Reads pgbench's log: client, number, microseconds, script, seconds and microseconds of its end. */
export function parseLog(text: string): Transaction[] {
  return text.split("\n").flatMap((line) => {
    const [, , took, script, seconds, micros] = line.split(" ").map(Number);
    if (took === undefined || Number.isNaN(took) || seconds === undefined) return []; // a failed one
    return [{
      at: seconds * 1000 + (micros ?? 0) / 1000,
      ms: took / 1000,
      script: script ?? 0,
    }];
  });
}

/** The value that so large a share of all values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)] ?? NaN;
}
