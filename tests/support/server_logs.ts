import { TIERS } from "../../local/settings.ts";
import { testCluster } from "./stack.ts";

/** What the servers have written to their logs since a moment. */
export interface ServerLogs {
  /** The log of every tier's server from then on, as one text. */
  read(): Promise<string>;
}

/** Listens to the logs of all servers from now on. */
export async function serverLogs(): Promise<ServerLogs> {
  const files = await Promise.all(TIERS.map(async (tier) => {
    const path = `${(await testCluster(tier)).directory}/log`;
    return { path, from: (await Deno.readFile(path)).length };
  }));
  return {
    async read() {
      const logs = await Promise.all(files.map(async ({ path, from }) => {
        return new TextDecoder().decode((await Deno.readFile(path)).subarray(from));
      }));
      return logs.join("\n");
    },
  };
}
