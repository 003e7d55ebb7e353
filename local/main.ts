/** `deno task up`, `down`, `status` and `reset`: the local stack from the command line. */
import { bold, dim, green, red, setColorEnabled, stripAnsiCode, yellow } from "@std/fmt/colors";
import { warnOfOpenFiles } from "../cli/lib/command.ts";
import { confirmed } from "../cli/lib/confirm.ts";
import { Failure } from "../cli/lib/errors.ts";
import { withRemedy } from "../cli/lib/output.ts";
import { down, removeStack, type RunningStack, status, up } from "./stack.ts";
import { gatewayPort, REPOSITORY, StackError, TIERS } from "./settings.ts";

const USAGE = `Usage: deno task up | down | status | reset [--yes]

Three tiers on this machine: up starts them with REST and functions, down stops them, status shows
them, reset forgets their data and starts them empty: it asks first, unless --yes is said.`;

const commands: Record<string, (yes: boolean) => Promise<number>> = {
  async up() {
    const begun = performance.now();
    await warnOfOpenFiles({ err: console.error });
    const running = await up({ say: (line) => console.error(dim(line)), projects: true });
    printRunning(running, performance.now() - begun);
    return 0;
  },

  async down() {
    console.log(
      await down() ? "The local stack is stopped. Its data stays." : "Nothing was running.",
    );
    return 0;
  },

  async reset(yes) {
    if (!confirmed("All rows on the three local tiers are deleted.", yes)) {
      console.log("Nothing was deleted.");
      return 1;
    }
    await removeStack();
    return await commands.up?.(yes) ?? 1;
  },

  async status() {
    const { stack, tiers, netWorker, projects } = await status();
    for (const { tier, port, state, pid } of tiers) {
      const colour = state === "running" ? green : yellow;
      console.log(line(bold(tier), colour(state), `port ${port}${pid ? `, process ${pid}` : ""}`));
    }
    const said = (running: boolean) => running ? "running" : "not running";
    console.log(dim(`network worker ${said(netWorker)} · REST and functions ${said(projects)}`));
    console.log(dim(`everything in ${shown(stack.home)}`));
    return projects && tiers.every(({ state }) => state === "running") ? 0 : 1;
  },
};

function printRunning({ stack, servers, env, started }: RunningStack, took: number): void {
  for (const tier of TIERS) {
    const state = started.includes(tier) ? "started" : "was running";
    console.log(
      line(bold(tier), green(state), address(env[`STRATA_${tier.toUpperCase()}_DB_URL`])),
    );
  }
  const seconds = (took / 1000).toFixed(1);
  const from = new Set(TIERS.map((tier) => `${servers[tier].major} from ${servers[tier].bin}`));
  console.log(dim(`PostgreSQL ${[...from].join(", ")} · ${seconds} s`));
  const functions = `${env.STRATA_CORE_URL}/functions/v1/<name>`;
  console.log(`
REST and functions answer on ports ${gatewayPort(stack, "core")} to ${
    gatewayPort(stack, "archive")
  }: ${functions}
What functions log is in ${bold(shown(`${stack.home}/functions.log`))}.
All addresses and passwords are in ${bold(shown(`${stack.home}/env`))}.
Stop it with ${bold("deno task down")}; its data stays until ${bold("deno task reset")}.`);
}

/** Where a database is, without what opens it: a terminal keeps what it has shown. */
function address(url: string | undefined): string {
  if (url === undefined) return "";
  const { hostname, port, pathname } = new URL(url);
  return `${hostname}:${port}${pathname}`;
}

/** One tier's line: columns as wide as their longest word, colours not counted. */
function line(tier: string, state: string, rest: string): string {
  const pad = (text: string, width: number) => {
    return text + " ".repeat(Math.max(0, width - stripAnsiCode(text).length));
  };
  return `${pad(tier, 9)}${pad(state, 13)}${rest}`;
}

function shown(path: string): string {
  return path.startsWith(`${REPOSITORY}/`) ? path.slice(REPOSITORY.length + 1) : path;
}

async function main(name: string | undefined, rest: string[]): Promise<number> {
  const command = commands[name ?? ""];
  const yes = name === "reset" && rest.length === 1 && rest[0] === "--yes";
  if (command === undefined || (rest.length > 0 && !yes)) {
    console.error(USAGE);
    return ["--help", "-h"].includes(rest[0] ?? "") ? 0 : 2;
  }
  try {
    return await command(yes);
  } catch (error) {
    if (error instanceof Failure) {
      console.error(withRemedy(error.message, error.remedy));
      return error.exitCode;
    }
    if (!(error instanceof StackError)) throw error;
    console.error(`${red(error.message)}\n${error.remedy}`);
    return 1;
  }
}

setColorEnabled(Deno.stdout.isTerminal() && Deno.env.get("NO_COLOR") === undefined);
Deno.exit(await main(Deno.args[0], Deno.args.slice(1)));
