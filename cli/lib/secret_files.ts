/** The files that hold passwords: whether others of this machine may read them, or whoever has the repository. */
import { basename, dirname, join } from "@std/path";

/** Where secrets lie, below the repository. */
const SECRET_FILES = [".env", join("supabase", "functions", ".env")];

/** A file of secrets that is open to somebody it should not be open to. */
export interface OpenFile {
  path: string;
  says: string;
  remedy: string;
}

/** What is wrong with the files of secrets that are there. */
export async function openFiles(root: string): Promise<OpenFile[]> {
  return (await Promise.all(SECRET_FILES.map((path) => lookAt(root, path)))).flat();
}

/** The files of secrets that are there. */
export async function secretFiles(root: string): Promise<string[]> {
  const found = await Promise.all(SECRET_FILES.map(async (path) => {
    return await modeOf(join(root, path)) === undefined ? [] : [path];
  }));
  return found.flat();
}

async function lookAt(root: string, path: string): Promise<OpenFile[]> {
  const mode = await modeOf(join(root, path));
  if (mode === undefined) return [];
  const found: OpenFile[] = [];
  if ((mode & 0o077) !== 0) {
    const says = `${path} can be read by others on this machine`;
    found.push({ path, says, remedy: `chmod 600 ${path}` });
  }
  if (await isInGit(join(root, path))) {
    found.push({
      path,
      says: `${path} is in git, with its passwords`,
      remedy: `git rm --cached ${path}, commit that, and give everything in it a new password: ` +
        "the old commits still have them",
    });
  }
  return found;
}

/** Undefined when there is no such file; on Windows, which has no modes, none is wrong. */
async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).mode ?? 0o600;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function isInGit(path: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("git", {
      args: ["ls-files", "--error-unmatch", "--", basename(path)],
      cwd: dirname(path),
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false; // there is no git
  }
}
