import { type Cluster } from "./cluster.ts";
import { findProcesses, killProcesses, type Process } from "./processes.ts";
import { REPOSITORY } from "./settings.ts";

const SCRIPT = `${import.meta.dirname}/net_worker.ts`;

/** The processes that serve the pg_net stand-in of these clusters: one when all is well. */
export function netWorkers(clusters: Cluster[]): Promise<Process[]> {
  return findProcesses((command) => command.endsWith(commandEnd(clusters)));
}

/** Starts the worker unless it runs. It outlives this process. */
export async function startNetWorker(clusters: Cluster[]): Promise<void> {
  if ((await netWorkers(clusters)).length > 0) return;
  const flags = ["run", "--quiet", "--allow-all", "--config", `${REPOSITORY}/deno.json`];
  const process = new Deno.Command(Deno.execPath(), {
    args: [...flags, SCRIPT, ...argumentsOf(clusters)],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  process.unref();
}

/** Ends the worker and returns whether there was one. It holds nothing but open transactions. */
export async function stopNetWorker(clusters: Cluster[]): Promise<boolean> {
  const found = (await netWorkers(clusters)).length > 0;
  await killProcesses(() => netWorkers(clusters));
  return found;
}

function argumentsOf(clusters: Cluster[]): string[] {
  return clusters.flatMap(({ tier, port, directory }) => [tier, `${port}`, directory]);
}

/** Directories may hold spaces; the command line as listed joins with spaces all the same. */
function commandEnd(clusters: Cluster[]): string {
  return [SCRIPT, ...argumentsOf(clusters)].join(" ");
}
