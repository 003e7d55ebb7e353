import { type Cluster, postmaster, serverProcesses, start } from "../../local/cluster.ts";
import { kill } from "../../local/processes.ts";
import type { Tier } from "../../local/settings.ts";
import type { RunningStack } from "../../local/stack.ts";
import { waitFor } from "../../local/wait_for.ts";
import { testStack } from "./stack.ts";

/**
 * Takes a tier's server away as a power cut would: `kill -9` on its main process, and no process
 * of it is left when this returns. On the tests' common stack, everything on that server dies with
 * it, so tests that use this live in tests/fire, where nothing runs beside them.
 */
export async function killServer(tier: Tier, stack?: RunningStack): Promise<void> {
  const cluster = clusterOf(stack ?? await testStack(), tier);
  const main = await postmaster(cluster);
  if (main === undefined) throw new Error(`the ${tier} tier is not running`);
  kill(main.pid, "SIGKILL");
  await waitFor(`every process of the ${tier} tier to go`, async () => {
    return (await serverProcesses(cluster)).length === 0;
  });
}

/** Starts a tier's server again and waits until it has recovered and answers. */
export async function startServer(tier: Tier, stack?: RunningStack): Promise<void> {
  const running = stack ?? await testStack();
  await start(running.servers[tier], clusterOf(running, tier));
}

function clusterOf({ clusters }: RunningStack, tier: Tier): Cluster {
  const cluster = clusters.find((one) => one.tier === tier);
  if (cluster === undefined) throw new Error(`the stack has no ${tier} tier`);
  return cluster;
}
