import { StackError } from "./settings.ts";

/**
 * Postgres refuses to run as root. Run by root, this module therefore hands everything that
 * touches a cluster to the operating system's user `postgres`; run by anyone else, it is plain.
 */
const SERVER_USER = "postgres";
const asRoot = Deno.build.os !== "windows" && Deno.uid() === 0;

/** A program that ended with an error, with what it said. */
export class CommandFailed extends Error {
  /** Keeps the last words of the program: they name the cause. */
  constructor(command: string, readonly output: string) {
    super(`${command} failed: ${output.trim().split("\n").slice(-3).join("\n")}`);
    this.name = "CommandFailed";
  }
}

/** What a program needs besides its arguments. */
export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Ends it, when that is aborted. */
  signal?: AbortSignal;
}

/** Runs a program to its end and returns what it printed. */
export async function run(
  command: string,
  args: string[],
  { cwd = "/", env = {}, signal }: RunOptions = {},
): Promise<string> {
  signal?.throwIfAborted();
  const end = signal === undefined ? {} : { signal };
  const process = new Deno.Command(command, { args, cwd, env, stdin: "null", ...end });
  const { success, stdout, stderr } = await process.output();
  const text = new TextDecoder();
  if (!success) throw new CommandFailed(command, text.decode(stdout) + text.decode(stderr));
  return text.decode(stdout);
}

/** Runs a program as the user that owns the clusters. */
export function runAsServer(command: string, args: string[]): Promise<string> {
  // Servers dial each other. With a person's HOME they would look for that person's certificates
  // there, and as another user fail to read them: links would silently go unencrypted.
  const env = { LC_ALL: "C", HOME: "/nonexistent" };
  if (!asRoot) return run(command, args, { env });
  const switched = ["--reuid", SERVER_USER, "--regid", SERVER_USER, "--init-groups", command];
  return run("setpriv", [...switched, ...args], { env });
}

/** Makes a directory that only the owner of the clusters may enter. */
export async function makeServerDirectory(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  await giveToServer(path);
}

/** Makes the owner of the clusters the owner of a file or directory. */
export async function giveToServer(path: string): Promise<void> {
  if (!asRoot) return;
  const [uid, gid] = await Promise.all(["-u", "-g"].map(async (flag) => {
    const id = await run("id", [flag, SERVER_USER]).catch(() => {
      throw new StackError(
        "Running as root, but there is no user `postgres` to run the servers.",
        "Install PostgreSQL with the package manager, or run as a normal user.",
      );
    });
    return Number(id);
  }));
  await Deno.chown(path, uid ?? null, gid ?? null);
}

/** Whether the owner of the clusters can enter a directory: below /root, say, it cannot. */
export async function serverCanEnter(path: string): Promise<boolean> {
  try {
    await runAsServer("test", ["-x", path]);
    return true;
  } catch (error) {
    if (error instanceof CommandFailed) return false;
    throw error;
  }
}
