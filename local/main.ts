/** `deno task up`, `down`, `status` and `reset`: the local stack from the command line. */
import { bold, dim, green, red, yellow } from "@std/fmt/colors";
import Table from "cli-table3";
import { down, removeStack, type RunningStack, status, up } from "./stack.ts";
import { REPOSITORY, StackError, TIERS } from "./settings.ts";

const USAGE = "Usage: deno task up | down | status | reset";

const commands: Record<string, () => Promise<number>> = {
  async up() {
    const begun = performance.now();
    const running = await up({ say: (line) => console.error(dim(line)) });
    printRunning(running, performance.now() - begun);
    return 0;
  },

  async down() {
    console.log(
      await down() ? "The local stack is stopped. Its data stays." : "Nothing was running.",
    );
    return 0;
  },

  async reset() {
    await removeStack();
    return await commands.up?.() ?? 1;
  },

  async status() {
    const { stack, tiers, netWorker } = await status();
    const table = tableOf("tier", "port", "state", "process");
    for (const { tier, port, state, pid } of tiers) {
      table.push([bold(tier), port, state === "running" ? green(state) : yellow(state), pid ?? ""]);
    }
    console.log(table.toString());
    console.log(
      dim(`net worker ${netWorker ? "running" : "not running"} · data in ${shown(stack.home)}`),
    );
    return tiers.every(({ state }) => state === "running") ? 0 : 1;
  },
};

function printRunning({ stack, server, env, started }: RunningStack, took: number): void {
  const table = tableOf("tier", "state", "connection");
  for (const tier of TIERS) {
    const state = started.includes(tier) ? "started" : "was running";
    table.push([bold(tier), green(state), env[`STRATA_${tier.toUpperCase()}_DB_URL`] ?? ""]);
  }
  console.log(table.toString());
  const seconds = (took / 1000).toFixed(1);
  console.log(dim(`PostgreSQL ${server.major} from ${server.bin} · ${seconds} s`));
  console.log(`All addresses and passwords are in ${bold(shown(`${stack.home}/env`))}.`);
  console.log(
    `Stop it with ${bold("deno task down")}; its data stays until ${bold("deno task reset")}.`,
  );
}

function tableOf(...head: string[]) {
  return new Table({ head: head.map(dim), style: { head: [], border: ["gray"] } });
}

function shown(path: string): string {
  return path.startsWith(`${REPOSITORY}/`) ? path.slice(REPOSITORY.length + 1) : path;
}

async function main(name: string | undefined): Promise<number> {
  const command = commands[name ?? ""];
  if (command === undefined) {
    console.error(USAGE);
    return 2;
  }
  try {
    return await command();
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    console.error(`${red(error.message)}\n${error.remedy}`);
    return 1;
  }
}

Deno.exit(await main(Deno.args[0]));
