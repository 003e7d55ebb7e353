import type { Sql } from "postgres";
import type { TestDatabase } from "../support/database.ts";
import { testStack } from "../support/stack.ts";
import { emptyDatabase } from "./support.ts";

/** A database into which another one was restored from its dump, as people move a project. */
export async function restored({ tier, url }: TestDatabase): Promise<TestDatabase> {
  const { bin } = (await testStack()).servers[tier];
  const dump = await tool(`${bin}/pg_dump`, [url, "--schema=strata", "--schema=public"], "");
  const copy = await emptyDatabase(tier);
  await copy.sql`drop schema public`;
  await tool(`${bin}/psql`, [copy.url, "-Xq", "-v", "ON_ERROR_STOP=1", "-f", "-"], dump);
  return copy;
}

async function tool(command: string, args: string[], input: string): Promise<string> {
  const child = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const written = (async () => {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  })().catch(() => {}); // whoever ends before it has read all of it says why
  const { code, stdout, stderr } = await child.output();
  await written;
  const text = new TextDecoder();
  if (code !== 0) throw new Error(`${command}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

/** Every row of every table of some schemas, as text. */
export async function everyTable(sql: Sql, schemas = ["strata", "public"]) {
  const tables = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class as c
     where c.relnamespace = any (${schemas}::regnamespace[]) and c.relkind = 'r' order by 1`;
  const found: Record<string, string[]> = {};
  for (const { name } of tables) {
    const rows = await sql.unsafe(`select t::text from ${name} as t order by 1`).values();
    found[name] = rows.map(([text]) => String(text));
  }
  return found;
}
