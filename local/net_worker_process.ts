import type { Cluster } from "./cluster.ts";
import { type Daemon, daemonProcesses, startDaemon, stopDaemon } from "./daemon.ts";
import type { Process } from "./processes.ts";

/** The processes that serve the pg_net stand-in of these clusters: one when all is well. */
export function netWorkers(clusters: Cluster[]): Promise<Process[]> {
  return daemonProcesses(netWorker(clusters));
}

/** Starts the worker unless it runs. It outlives this process. */
export async function startNetWorker(clusters: Cluster[]): Promise<void> {
  await startDaemon(netWorker(clusters));
}

/** Ends the worker and returns whether there was one. It holds nothing but open transactions. */
export function stopNetWorker(clusters: Cluster[]): Promise<boolean> {
  return stopDaemon(netWorker(clusters));
}

function netWorker(clusters: Cluster[]): Daemon {
  const args = clusters.flatMap(({ tier, port, directory }) => [tier, `${port}`, directory]);
  return { script: `${import.meta.dirname}/net_worker.ts`, args };
}
