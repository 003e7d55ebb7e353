import { findProcesses, killProcesses, type Process } from "./processes.ts";
import { REPOSITORY } from "./settings.ts";

/** A program of ours that runs in the background, known by its command line. */
export interface Daemon {
  script: string;
  args: readonly string[];
  /** Where what it prints goes; nowhere without one. */
  log?: string;
}

/** The processes of a daemon: one when all is well. */
export function daemonProcesses({ script, args }: Daemon): Promise<Process[]> {
  // Arguments may hold spaces; the command line as listed joins with spaces all the same.
  return findProcesses((command) => command.endsWith([script, ...args].join(" ")));
}

/** Starts a daemon unless it runs, and says whether it did. It outlives this process. */
export async function startDaemon(daemon: Daemon): Promise<boolean> {
  if ((await daemonProcesses(daemon)).length > 0) return false;
  const flags = ["run", "--quiet", "--allow-all", "--config", `${REPOSITORY}/deno.json`];
  const redirect = 'umask 077; log=$1; shift; exec "$@" >"$log" 2>&1'; // what it prints is its owner's
  if (daemon.log !== undefined) await Deno.remove(daemon.log).catch(() => {}); // so is its mode
  const process = new Deno.Command("sh", {
    args: ["-c", redirect, "sh", daemon.log ?? "/dev/null", Deno.execPath(), ...flags].concat(
      daemon.script,
      daemon.args,
    ),
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  process.unref();
  return true;
}

/** Ends a daemon and returns whether there was one. It must hold nothing but open transactions. */
export async function stopDaemon(daemon: Daemon): Promise<boolean> {
  const found = (await daemonProcesses(daemon)).length > 0;
  await killProcesses(() => daemonProcesses(daemon));
  return found;
}
