import { postmaster, serverProcesses, start } from "../../local/cluster.ts";
import { kill } from "../../local/processes.ts";
import type { Tier } from "../../local/settings.ts";
import { waitFor } from "../../local/wait_for.ts";
import { testCluster, testStack } from "./stack.ts";

/**
 * Takes a tier's server away as a power cut would: `kill -9` on its main process, and no process
 * of it is left when this returns. Everything on that server dies with it, so tests that use this
 * live in tests/fire, where nothing runs beside them.
 */
export async function killServer(tier: Tier): Promise<void> {
  const cluster = await testCluster(tier);
  const main = await postmaster(cluster);
  if (main === undefined) throw new Error(`the ${tier} tier is not running`);
  kill(main.pid, "SIGKILL");
  await waitFor(`every process of the ${tier} tier to go`, async () => {
    return (await serverProcesses(cluster)).length === 0;
  });
}

/** Starts a tier's server again and waits until it has recovered and answers. */
export async function startServer(tier: Tier): Promise<void> {
  const { server } = await testStack();
  await start(server, await testCluster(tier));
}
