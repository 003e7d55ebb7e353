/**
 * PostgreSQL of another release of Debian, unpacked into a directory of its own: nothing of the machine's own packages is
 * touched. apt fetches and checks the packages from the mirror the machine uses; each program is told to load the
 * libraries that came with it, because the machine's may be older.
 */
import { CommandFailed, run } from "./server_user.ts";
import { StackError } from "./settings.ts";

/** Which releases of Debian have a major version, the first that does counts. */
const SUITES: Record<number, readonly string[]> = {
  15: ["bookworm"],
  17: ["trixie"],
  18: ["forky", "sid"],
};
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Where the programs of a major version lie once they are unpacked. */
export function unpackedPrograms(major: number, directory = unpackedDirectory()): string {
  return `${directory}/${major}/usr/lib/postgresql/${major}/bin`;
}

/** What unpacking may be told. */
export interface UnpackOptions {
  directory?: string;
  /** Ends it when it takes too long. */
  signal?: AbortSignal;
}

/** Unpacks a major version unless it is there; false where no release of Debian has it. */
export async function unpackPostgres(
  major: number,
  say: (line: string) => void,
  { directory = unpackedDirectory(), signal }: UnpackOptions = {},
): Promise<boolean> {
  const suites = SUITES[major] ?? [];
  const runIt: typeof run = (command, args) => run(command, args, signal ? { signal } : {});
  const mirror = suites.length === 0 ? undefined : await debianMirror(runIt);
  if (mirror === undefined) return false;
  await Deno.mkdir(directory, { recursive: true });
  using lock = await Deno.open(`${directory}/lock`, { create: true, write: true });
  await lock.lock(true);
  const root = `${directory}/${major}`;
  if (await isThere(unpackedPrograms(major, directory))) return true;

  say(`Fetching PostgreSQL ${major} into ${root}`);
  const made = `${root}.new`;
  try {
    await Deno.remove(made, { recursive: true }).catch(() => {}); // of one that was killed
    await fetchPackages(made, major, suites, mirror, runIt);
    await useOwnLibraries(made, root, major, runIt);
    await Deno.remove(`${made}/apt`, { recursive: true });
    await Deno.rename(made, root);
  } catch (error) {
    if (!(error instanceof CommandFailed || error instanceof Deno.errors.NotFound)) throw error;
    throw new StackError(
      `PostgreSQL ${major} cannot be fetched: ${error.message}`,
      `Install PostgreSQL ${major} with pg_cron, or try again when the mirror answers.`,
    );
  } finally {
    await Deno.remove(made, { recursive: true }).catch(() => {});
  }
  return true;
}

/** Where versions are unpacked. The servers' user has to read it, which it cannot below root's home. */
export function unpackedDirectory(): string {
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  return Deno.uid() === 0 ? "/var/cache/strata/postgres" : `${home}/strata/postgres`;
}

/** The mirror that this machine's own packages come from, when they are Debian's; apt may never have read it yet. */
async function debianMirror(runIt: typeof run): Promise<string | undefined> {
  if (!await isThere(KEYRING)) return undefined;
  const list = await runIt("apt-get", ["--print-uris", "update"]).catch(() => ""); // no apt
  return /^'(https?:\S+\/debian\/)dists\//m.exec(list)?.[1];
}

/** apt with a state of its own: it believes that nothing is installed, and so fetches every library as well. */
async function fetchPackages(
  root: string,
  major: number,
  suites: readonly string[],
  mirror: string,
  runIt: typeof run,
) {
  const apt = `${root}/apt`;
  for (const directory of ["lists/partial", "archives/partial"]) {
    await Deno.mkdir(`${apt}/${directory}`, { recursive: true });
  }
  await Deno.writeTextFile(`${apt}/status`, "");
  const options = Object.entries({
    "Dir::Etc::SourceList": `${apt}/sources.list`,
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::Etc::Preferences": "/dev/null",
    "Dir::Etc::PreferencesParts": "/dev/null",
    "Dir::State::Lists": `${apt}/lists`,
    "Dir::State::status": `${apt}/status`,
    "Dir::Cache": apt,
    "Dir::Cache::archives": `${apt}/archives`,
    "APT::Install-Recommends": "false",
    "APT::Sandbox::User": "root", // the directory may be its owner's alone
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "Debug::NoLocking": "true", // nobody else uses this state
  }).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const server = `postgresql-${major}`;
  const packages = [server, `${server}-cron`, `${server}-plpgsql-check`, "patchelf"];
  for (const [at, suite] of suites.entries()) {
    await Deno.writeTextFile(
      `${apt}/sources.list`,
      `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`,
    );
    try {
      await runIt("apt-get", [...options, "update"]);
      await runIt("apt-get", [...options, "--yes", "--download-only", "install", ...packages]);
      break;
    } catch (error) {
      if (at === suites.length - 1) throw error;
    }
  }
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    await Deno.mkdir(`${root}/usr/${name}`, { recursive: true });
    await Deno.symlink(`usr/${name}`, `${root}/${name}`); // as dpkg finds it on a machine
  }
  for await (const { name } of Deno.readDir(`${apt}/archives`)) {
    if (name.endsWith(".deb")) {
      await runIt("dpkg-deb", ["--extract", `${apt}/archives/${name}`, root]);
    }
  }
}

/** A program names its loader by its path, and finds libraries beside it before the machine's. */
async function useOwnLibraries(
  made: string,
  root: string,
  major: number,
  runIt: typeof run,
): Promise<void> {
  const [libraries] = await entries(`${made}/usr/lib`, /-linux-gnu/);
  const [loader] = await entries(`${made}/usr/lib/${libraries}`, /^ld-linux-.*\.so\.\d+$/);
  const here = `${made}/usr/lib/${libraries}`;
  const there = `${root}/usr/lib/${libraries}`;
  const bin = `${made}/usr/lib/postgresql/${major}/bin`;
  for (const name of await entries(bin, /./)) {
    if (!await isProgram(`${bin}/${name}`)) continue;
    const change = [
      "--force-rpath",
      "--set-rpath",
      there,
      "--set-interpreter",
      `${there}/${loader}`,
    ];
    const patchelf = ["--library-path", here, `${made}/usr/bin/patchelf`];
    await runIt(`${here}/${loader}`, [...patchelf, ...change, `${bin}/${name}`]);
  }
}

async function entries(directory: string, pattern: RegExp): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
  return names.filter((name) => pattern.test(name));
}

async function isProgram(path: string): Promise<boolean> {
  if (!(await Deno.stat(path)).isFile) return false;
  using file = await Deno.open(path);
  const head = new Uint8Array(4);
  await file.read(head);
  return new TextDecoder("latin1").decode(head) === "\x7fELF";
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
