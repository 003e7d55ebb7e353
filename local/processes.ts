import { waitFor } from "./wait_for.ts";

/** A process as the operating system lists it. */
export interface Process {
  pid: number;
  command: string;
}

/** Every process whose command line satisfies the condition. Zombies have none and are left out. */
export async function findProcesses(matches: (command: string) => boolean): Promise<Process[]> {
  const all = Deno.build.os === "linux" ? await fromProc() : await fromPs();
  return all.filter(({ pid, command }) => pid !== Deno.pid && command !== "" && matches(command));
}

/** Ends processes for good and waits until they are gone. */
export async function killProcesses(find: () => Promise<Process[]>): Promise<void> {
  await waitFor("killed processes to go", async () => {
    const left = await find();
    for (const { pid } of left) kill(pid, "SIGKILL");
    return left.length === 0;
  });
}

/** Sends a signal; a process that is already gone is no fault. */
export function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function fromProc(): Promise<Process[]> {
  const found: Process[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // A process may end between the listing and the reading.
    const bytes = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    found.push({ pid: Number(name), command: bytes.replaceAll("\0", " ").trim() });
  }
  return found;
}

async function fromPs(): Promise<Process[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["-axo", "pid=,args="] }).output();
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => {
    const [pid = "", ...command] = line.trim().split(" ");
    return { pid: Number(pid), command: command.join(" ").trim() };
  });
}
