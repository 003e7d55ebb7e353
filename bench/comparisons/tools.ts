/** What people move tables with today, on the same rows. */
import { installPackages } from "../../local/packages.ts";
import { run } from "../../local/server_user.ts";
import { createLetters, seconds } from "../letters.ts";
import { type Mover, runPipe } from "../ways.ts";

/** Makes sure that a program is there, installing its packages as root; else says why it is not. */
export async function requireProgram(
  program: string,
  packages: string[],
  say: (line: string) => void,
): Promise<string | undefined> {
  if (await isThere(program)) return undefined;
  say(`installing ${packages.join(", ")}`);
  const problem = await installPackages(packages);
  if (problem !== undefined) return problem;
  return await isThere(program) ? undefined : `${packages.join(", ")} brought no ${program}`;
}

async function isThere(program: string): Promise<boolean> {
  return await run("sh", ["-c", `command -v ${program}`]).then(() => true, () => false);
}

/** pg_dump of the one table into psql, then the delete. */
export const byDump: Mover = async (chain) => {
  await createLetters(chain.main.sql);
  return await seconds(async () => {
    await runPipe(
      chain,
      `"$BIN/pg_dump" --data-only --table=public.letters "$CORE" |
         "$BIN/psql" -qX -v ON_ERROR_STOP=1 "$MAIN"`,
    );
    await chain.core.sql`delete from public.letters where true`;
  });
};

/** pgcopydb's copy of the one table, then the delete. */
export const byPgcopydb: Mover = async (chain) => {
  await createLetters(chain.main.sql);
  const directory = await Deno.makeTempDir({ prefix: "strata-bench-" });
  try {
    await Deno.writeTextFile(`${directory}/only`, "[include-only-table]\npublic.letters\n");
    return await seconds(async () => {
      await runPipe(
        chain,
        `pgcopydb copy table-data --source "$CORE" --target "$MAIN" --table-jobs 2 \\
           --filters ${directory}/only --dir ${directory}/work`,
      );
      await chain.core.sql`delete from public.letters where true`;
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
};
