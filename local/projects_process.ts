import { type Daemon, daemonProcesses, startDaemon, stopDaemon } from "./daemon.ts";
import type { Process } from "./processes.ts";
import { gatewayPort, type Stack, StackError, TIERS } from "./settings.ts";
import { waitFor } from "./wait_for.ts";

/** The processes that serve a stack's REST APIs and functions: one when all is well. */
export function projectServers(stack: Stack): Promise<Process[]> {
  return daemonProcesses(daemonOf(stack));
}

/** Serves the REST API and the functions of every tier, unless that is done already. */
export async function startProjects(stack: Stack): Promise<void> {
  const daemon = daemonOf(stack);
  if ((await projectServers(stack)).length === 0) {
    for (const tier of TIERS) requireFreePort(gatewayPort(stack, tier));
    await startDaemon(daemon);
  }
  try {
    await waitFor("the REST APIs and functions", () => allAnswer(stack), { timeoutMs: 30_000 });
  } catch {
    throw new StackError("The REST APIs and functions did not start.", `See ${daemon.log}.`);
  }
}

/** Ends what `startProjects` started and returns whether there was anything. */
export function stopProjects(stack: Stack): Promise<boolean> {
  return stopDaemon(daemonOf(stack));
}

function daemonOf({ home }: Stack): Daemon {
  const script = `${import.meta.dirname}/projects.ts`;
  return { script, args: [`${home}/env`], log: `${home}/functions.log` };
}

async function allAnswer(stack: Stack): Promise<boolean> {
  const answers = await Promise.all(TIERS.map(async (tier) => {
    try {
      const response = await fetch(`http://127.0.0.1:${gatewayPort(stack, tier)}/functions/v1/`);
      await response.body?.cancel();
      return response.status === 404;
    } catch {
      return false; // nobody listens yet
    }
  }));
  return answers.every(Boolean);
}

function requireFreePort(port: number): void {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new StackError(
      `Port ${port}, which the REST APIs need, is taken by another program.`,
      "Stop that program, or set STRATA_PORT_BASE to count the ports from another number.",
    );
  }
}
