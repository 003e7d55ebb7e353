/**
 * What stands in front of the tiers where a relay drives: their REST APIs and functions, in a process of
 * their own that can be killed, and a proxy in each way that a function takes to a database.
 */
import { z } from "zod";
import type { Project } from "../../../local/functions.ts";
import { ending } from "../../../local/ending.ts";
import { kill } from "../../../local/processes.ts";
import { REPOSITORY } from "../../../local/settings.ts";
import type { TestDatabase } from "../../support/database.ts";
import { openProxy } from "./proxy.ts";
import type { Way } from "./world.ts";

/** What the process serves: a project whose address it chooses itself. */
export type Served = Omit<Project, "url">;

/** The projects of a world. */
export interface Projects extends AsyncDisposable {
  ways: Way[];
  /** What the functions have logged so far. */
  log: string[];
  /** Kills the process with everything in it, and starts it again; a tier's key may be another then. */
  restart(otherKey?: TestDatabase): Promise<void>;
  /** Wakes the function of a link as pg_cron does; what it answers, or that it did not. */
  relay(hotter: TestDatabase, colder: TestDatabase, signal?: AbortSignal): Promise<Answer>;
}

/** What a relay has answered: a status, 0 for none, and what came with it. */
export interface Answer {
  status: number;
  body: string;
}

/** Serves databases as the platform serves projects. */
export async function openProjects(databases: readonly TestDatabase[]): Promise<Projects> {
  const keys = new Map(databases.map(({ tier }) => [tier, newKey("secret")]));
  const ports = new Map<string, number>();
  const portOf = (tier: string) => ports.get(tier) ?? 1; // where nobody listens
  const ways = databases.map((to) => {
    const target = {
      hostname: "127.0.0.1",
      get port() {
        return portOf(to.tier);
      },
    };
    return { to, proxy: openProxy(target) };
  });
  const variables: Record<string, string> = {};
  for (const { to: { tier }, proxy } of ways) {
    variables[`STRATA_${tier.toUpperCase()}_URL`] = `http://127.0.0.1:${proxy.port}`;
    variables[`STRATA_${tier.toUpperCase()}_KEY`] = keys.get(tier) ?? "";
  }
  const log: string[] = [];
  let running: Running | undefined;
  const end = async () => {
    ports.clear();
    await running?.kill();
    running = undefined;
  };
  const restart: Projects["restart"] = async (otherKey) => {
    await end();
    const projects = databases.map(({ tier, url }) => ({
      databaseUrl: url,
      secretKey: tier === otherKey?.tier ? newKey("secret") : keys.get(tier) ?? "",
      publishableKey: newKey("publishable"),
      variables,
    }));
    running = await serve(projects, log);
    for (const [at, { tier }] of databases.entries()) {
      const port = running.ports[at];
      if (port === undefined) throw new Error(`the functions did not start: ${log.at(-1)}`);
      ports.set(tier, port);
    }
  };
  await restart();
  return {
    ways,
    log,
    restart,
    async relay({ tier: from }, { tier: to }, signal) {
      const url = `http://127.0.0.1:${portOf(from)}/functions/v1/strata-relay`;
      const headers = { apikey: keys.get(from) ?? "", "content-type": "application/json" };
      const body = JSON.stringify({ from, to });
      try {
        const answer = await fetch(url, { method: "POST", headers, body, signal: signal ?? null });
        return { status: answer.status, body: await answer.text() };
      } catch (error) {
        return { status: 0, body: String(error) };
      }
    },
    [Symbol.asyncDispose]: end,
  };
}

/** A process that serves projects, each on a port of its own. */
export interface Running {
  ports: number[];
  kill(): Promise<void>;
}

/** Starts the process; the ports it takes are its first line. */
export async function serve(projects: readonly Served[], log: string[]): Promise<Running> {
  const script = `${import.meta.dirname}/projects_process.ts`;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", script, JSON.stringify(projects)],
    cwd: REPOSITORY,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: ending,
  }).spawn();
  const logging = (async () => {
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) log.push(text);
  })();
  const out = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "[]" } = await out.read(); // one short line, written at once
  return {
    ports: z.array(z.number()).parse(JSON.parse(value)),
    async kill() {
      kill(process.pid, "SIGKILL");
      await process.status;
      await out.cancel();
      await logging;
    },
  };
}

function newKey(kind: "secret" | "publishable"): string {
  return `sb_${kind}_${crypto.randomUUID().replaceAll("-", "")}`;
}
