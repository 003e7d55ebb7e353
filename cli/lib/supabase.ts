import { resolve } from "node:path";
import versions from "../../import_map.json" with { type: "json" };

const PROJECT = resolve(import.meta.dirname ?? ".", "../../supabase");

/** The Supabase CLI ended with an error. */
export class SupabaseFailed extends Error {
  /** Keeps everything that the CLI printed. */
  constructor(readonly command: string, readonly output: string) {
    super(`supabase ${command} failed:\n${output}`);
    this.name = "SupabaseFailed";
  }
}

/**
 * Runs the Supabase CLI on a copy of the project and returns what it printed. The copy, because
 * the CLI leaves notes of its own beside what it reads.
 */
export async function supabase(command: string, ...args: string[]): Promise<string> {
  const copy = await Deno.makeTempDir({ prefix: "strata-supabase-" });
  try {
    await copyProject(copy);
    const { visible, password } = hidePassword(args);
    const cli = versions.imports.supabase.replace(/^npm:/, "");
    const process = new Deno.Command("npx", {
      args: ["--yes", cli, ...command.split(" "), ...visible, "--workdir", copy],
      cwd: copy,
      env: {
        SUPABASE_HOME: `${copy}/home`,
        SUPABASE_NO_UPDATE_NOTIFIER: "1",
        SUPABASE_TELEMETRY_DISABLED: "1",
        ...(password === undefined ? {} : { PGPASSWORD: password }),
      },
      stdin: "null",
    });
    const { success, stdout, stderr } = await process.output();
    const output = readable(stderr) + readable(stdout);
    if (!success) throw new SupabaseFailed(command, output);
    return output;
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

/** Applies the migrations that a database does not have yet: `supabase db push`. */
export function pushMigrations(url: string): Promise<string> {
  return supabase("db push", `--remote=${url}`, "--yes");
}

/** Everybody on this machine can read a process's arguments, so a password goes another way. */
function hidePassword(args: string[]): { visible: string[]; password: string | undefined } {
  let password: string | undefined;
  const visible = args.map((arg) => {
    if (!arg.startsWith("--remote=")) return arg;
    const url = new URL(arg.slice("--remote=".length));
    password = decodeURIComponent(url.password);
    url.password = "";
    return `--remote=${url.href}`;
  });
  return { visible, password };
}

async function copyProject(copy: string): Promise<void> {
  await Deno.mkdir(`${copy}/supabase/migrations`, { recursive: true });
  await Deno.copyFile(`${PROJECT}/config.toml`, `${copy}/supabase/config.toml`);
  for await (const { name } of Deno.readDir(`${PROJECT}/migrations`)) {
    await Deno.copyFile(`${PROJECT}/migrations/${name}`, `${copy}/supabase/migrations/${name}`);
  }
}

/** What npx says about itself is nobody's concern. */
function readable(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replaceAll(/^npm (warn|notice).*\n/gm, "");
}
