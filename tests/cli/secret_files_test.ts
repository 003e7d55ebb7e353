import { assertEquals } from "@std/assert";
import { warnOfOpenFiles } from "../../cli/lib/command.ts";
import { openFiles, secretFiles } from "../../cli/lib/secret_files.ts";

async function git(cwd: string, ...args: string[]) {
  const { success } = await new Deno.Command("git", { args, cwd, stdout: "null", stderr: "null" })
    .output();
  assertEquals(success, true);
}

Deno.test("a file of secrets that others may read, or that is in git, is warned about once, with what to do", async () => {
  const root = await Deno.makeTempDir({ prefix: "strata-secrets-" });
  try {
    await git(root, "init", "--quiet");
    await Deno.mkdir(`${root}/supabase/functions`, { recursive: true });
    assertEquals([await secretFiles(root), await openFiles(root)], [[], []]);
    for (const path of [".env", "supabase/functions/.env"]) {
      await Deno.writeTextFile(`${root}/${path}`, "PASSWORD=swordfish\n", { mode: 0o600 });
    }
    assertEquals(await secretFiles(root), [".env", "supabase/functions/.env"]);
    assertEquals(await openFiles(root), []);

    const remedies = async () => (await openFiles(root)).map(({ remedy }) => remedy.split(",")[0]);
    for (const mode of [0o640, 0o604, 0o620]) {
      await Deno.chmod(`${root}/.env`, mode);
      assertEquals(await remedies(), ["chmod 600 .env"]);
    }
    await git(root, "add", "--force", "supabase/functions/.env");
    assertEquals(await remedies(), [
      "chmod 600 .env",
      "git rm --cached supabase/functions/.env",
    ]);
    const said: string[] = [];
    await warnOfOpenFiles({ err: (text) => said.push(text) }, root);
    assertEquals(said.length, 2);
    assertEquals(said.join("").includes("swordfish"), false);

    await Deno.chmod(`${root}/.env`, 0o600); // both remedies, to the letter
    await git(root, "rm", "--quiet", "--cached", "supabase/functions/.env");
    assertEquals(await openFiles(root), []);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
