import assert from "node:assert/strict";
import { findProcesses } from "../../local/processes.ts";
import { waitFor } from "../support/wait_for.ts";

/** A program with a child that would outlive it, and something to clean up. */
const PROGRAM = `
  import { cleanUpOnSignal, ending } from "${import.meta.resolve("../../local/ending.ts")}";
  cleanUpOnSignal(async () => {
    await new Promise((wake) => setTimeout(wake, 1));
    console.log("cleaned up");
  });
  const { pid } = new Deno.Command("sleep", { args: ["600"], signal: ending }).spawn();
  console.log(pid);`;

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`a program told to end by ${signal} cleans up, and takes its children along`, async () => {
    const args = ["eval", "--ext=ts", PROGRAM];
    const program = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
    const out = program.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const child = Number((await out.read()).value);
    assert.ok(await isAlive(child));

    program.kill(signal);

    assert.equal((await out.read()).value, "cleaned up\n");
    assert.equal((await program.status).code, code);
    await out.cancel();
    await waitFor("the child to end", async () => !await isAlive(child));
  });
}

async function isAlive(pid: number): Promise<boolean> {
  return (await findProcesses(() => true)).some((one) => one.pid === pid);
}
