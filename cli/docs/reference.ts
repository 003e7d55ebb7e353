/** docs/reference: made out of the CLI's help and of a database that has the release in it. */
import type { Sql } from "postgres";
import { REPOSITORY } from "../../local/settings.ts";
import { commandsPage } from "./commands.ts";
import { alertsPage, errorsPage, schedulesPage, settingsPage } from "./seeds.ts";
import { sqlPage } from "./sql.ts";

/** Where the pages lie. */
export const REFERENCE = `${REPOSITORY}/docs/reference`;

const NOTICE = "<!-- Made by `deno task docs`; not to be edited. -->";

/** Every page by its name, as `deno fmt` leaves it. The database has Strata and the companion. */
export async function referencePages(sql: Sql): Promise<Map<string, string>> {
  const pages: Record<string, string[]> = { "commands.md": await commandsPage() };
  await sql.begin("read only", async (sql) => {
    await sql`set local search_path = pg_catalog`; // so that every name of ours is said in full
    pages["sql.md"] = await sqlPage(sql);
    pages["errors.md"] = await errorsPage(sql);
    pages["settings.md"] = await settingsPage(sql);
    pages["schedules.md"] = await schedulesPage(sql);
    pages["alerts.md"] = await alertsPage(sql);
  });
  const formatted = new Map<string, string>();
  for (const [name, blocks] of Object.entries(pages)) {
    formatted.set(name, await format([NOTICE, ...blocks].join("\n\n") + "\n"));
  }
  return formatted;
}

/** The names of those pages that are not what lies in docs/reference. */
export async function stalePages(pages: Map<string, string>): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, text] of pages) {
    const there = await Deno.readTextFile(`${REFERENCE}/${name}`).catch(() => undefined);
    if (there !== text) stale.push(name);
  }
  for await (const { name } of Deno.readDir(REFERENCE)) if (!pages.has(name)) stale.push(name);
  return stale;
}

async function format(markdown: string): Promise<string> {
  const args = ["fmt", "--ext=md", "-"];
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: REPOSITORY,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(markdown));
  await input.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("deno fmt takes a page of the reference for no Markdown");
  return new TextDecoder().decode(stdout);
}
