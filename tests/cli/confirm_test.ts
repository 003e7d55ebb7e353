import assert from "node:assert/strict";
import { confirmed, type Terminal } from "../../cli/lib/confirm.ts";

/** A terminal on which this is typed; null: its input has ended. */
function typing(answer: string | null): Terminal & { asked: string[] } {
  const asked: string[] = [];
  return { asked, isTerminal: () => true, ask: (question) => (asked.push(question), answer) };
}

Deno.test("what is asked on a terminal is done only if somebody says yes", () => {
  for (
    const [answer, expected] of [["y", true], ["Yes", true], ["", false], ["n", false], [
      null,
      false,
    ]] as const
  ) {
    const terminal = typing(answer);
    assert.equal(confirmed("All is deleted.", false, terminal), expected, `${answer}`);
    assert.deepEqual(terminal.asked, ["All is deleted. Go on? [y/N] "]);
  }
});

Deno.test("with --yes nothing is asked; without it and without a terminal it is refused", () => {
  const silent: Terminal = { ...typing("y"), isTerminal: () => false };
  assert.equal(confirmed("All is deleted.", true, silent), true);
  assert.throws(() => confirmed("All is deleted.", false, silent), { exitCode: 2 });
});

Deno.test("deno task reset deletes nothing where it cannot ask", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "local/main.ts", "reset"],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  assert.equal(code, 2);
  assert.match(new TextDecoder().decode(stderr), /three local tiers are deleted.*\n.*--yes/);
});
