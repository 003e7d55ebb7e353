import { CommandFailed, run } from "./server_user.ts";
import { StackError } from "./settings.ts";
import { unpackedPrograms, unpackPostgres } from "./unpacked_postgres.ts";

/** A PostgreSQL installation. */
export interface Postgres {
  bin: string;
  major: number;
  /** The extensions among `EXTENSIONS` that can be created with it. */
  extensions: ReadonlySet<string>;
}

const OLDEST = 15;
const NEWEST = 18;
const EXTENSIONS = ["pg_cron", "pg_net", "plpgsql_check", "supabase_vault"];

/**
 * Finds PostgreSQL 15 to 18 with pg_cron. As root on Debian or Ubuntu it installs what is missing; a
 * version that this release of Debian has not is unpacked from the one that has it.
 */
export async function requirePostgres(
  major: number | undefined,
  say: (line: string) => void,
): Promise<Postgres> {
  let found = await findPostgres(major);
  if (found?.extensions.has("pg_cron")) return found;

  const packages = await debianPackages(major ?? found?.major);
  if (packages === undefined && major !== undefined && found === undefined) {
    if (await unpackPostgres(major, say)) found = await findPostgres(major);
    if (found?.extensions.has("pg_cron")) return found;
  } else if (packages !== undefined && Deno.uid() === 0) {
    say(`Installing ${packages.join(", ")}`);
    await aptGet(["install", "--yes", "--no-install-recommends", ...packages]);
    found = await findPostgres(major);
    if (found?.extensions.has("pg_cron")) return found;
  }
  throw new StackError(
    found === undefined
      ? `No PostgreSQL ${major ?? `${OLDEST} to ${NEWEST}`} was found.`
      : `PostgreSQL ${found.major} in ${found.bin} has no pg_cron.`,
    packages === undefined
      ? "Install PostgreSQL and pg_cron; PG_BIN may name the directory of its programs."
      : `Run: sudo apt-get install ${packages.join(" ")}`,
  );
}

/** The newest PostgreSQL on this machine, one with pg_cron before any without. */
export async function findPostgres(
  major?: number,
  unpacked?: string,
): Promise<Postgres | undefined> {
  const chosen = Deno.env.get("PG_BIN");
  const candidates = chosen === undefined ? await usualPlaces(major, unpacked) : [chosen];
  const installations = await Promise.all(candidates.map(inspect));
  const known = installations.filter((one) => one !== undefined);
  if (chosen !== undefined && known.length === 0) {
    throw new StackError(
      `PG_BIN is ${chosen}, where there is no PostgreSQL ${OLDEST} to ${NEWEST}.`,
      "Point it at the directory that holds initdb and pg_ctl, or unset it.",
    );
  }
  const score = (one: Postgres) => one.major + (one.extensions.has("pg_cron") ? 100 : 0);
  return known
    .filter((one) => major === undefined || one.major === major)
    .sort((a, b) => score(b) - score(a))[0];
}

async function usualPlaces(major?: number, unpacked?: string): Promise<string[]> {
  const parents: [directory: string, child: RegExp, bin: string][] = [
    ["/usr/lib/postgresql", /^\d+$/, "bin"], // Debian, Ubuntu
    ["/usr", /^pgsql-\d+$/, "bin"], // Red Hat
    ["/opt/homebrew/opt", /^postgresql@\d+$/, "bin"],
    ["/usr/local/opt", /^postgresql@\d+$/, "bin"],
    ["/Applications/Postgres.app/Contents/Versions", /^\d+$/, "bin"],
  ];
  const places: string[] = [];
  for (const [directory, child, bin] of parents) {
    for (const name of await listDirectory(directory)) {
      if (child.test(name)) places.push(`${directory}/${name}/${bin}`);
    }
  }
  // What was unpacked is only for who asks for that version.
  return major === undefined ? places : [...places, unpackedPrograms(major, unpacked)];
}

async function listDirectory(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map((entry) => entry.name);
  } catch {
    return []; // not this kind of machine
  }
}

async function inspect(bin: string): Promise<Postgres | undefined> {
  try {
    const [version, sharedir] = await Promise.all([
      run(`${bin}/postgres`, ["--version"]),
      run(`${bin}/pg_config`, ["--sharedir"]),
    ]);
    const major = Number(/\d+/.exec(version)?.[0]);
    if (major < OLDEST || major > NEWEST) return undefined;
    const controls = await listDirectory(`${sharedir.trim()}/extension`);
    const available = EXTENSIONS.filter((name) => controls.includes(`${name}.control`));
    return { bin, major, extensions: new Set(available) };
  } catch {
    return undefined; // client programs only, or none
  }
}

/** Installs packages of Debian or Ubuntu; says why not where that cannot be. */
export async function installPackages(packages: string[]): Promise<string | undefined> {
  if (await aptNames() === undefined) return "this is no Debian or Ubuntu machine";
  if (Deno.uid() !== 0) return `run: sudo apt-get install ${packages.join(" ")}`;
  try {
    await aptGet(["install", "--yes", "--no-install-recommends", ...packages]);
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return `${packages.join(", ")} cannot be installed: ${error.message}`;
  }
}

/** What to install on Debian and Ubuntu; `undefined` elsewhere, and where this release has no such version. */
async function debianPackages(major?: number): Promise<string[] | undefined> {
  const names = await aptNames();
  if (names === undefined) return undefined;
  const offered = names
    .map((name) => Number(/^postgresql-(\d+)-cron$/.exec(name)?.[1]))
    .filter((version) => version >= OLDEST && version <= NEWEST)
    .sort((a, b) => b - a);
  const version = major ?? offered[0] ?? OLDEST;
  const server = `postgresql-${version}`;
  if (!names.includes(server)) return undefined;
  return [server, `${server}-cron`, `${server}-plpgsql-check`, "openssl"];
}

async function aptNames(): Promise<string[] | undefined> {
  const list = () => run("apt-cache", ["pkgnames", "postgresql-"]);
  try {
    const names = await list();
    if (/-cron$/m.test(names) || Deno.uid() !== 0) return names.split("\n");
    await aptGet(["update"]);
    return (await list()).split("\n");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function aptGet(args: string[]): Promise<void> {
  const attempt = () => run("apt-get", args, { env: { DEBIAN_FRONTEND: "noninteractive" } });
  try {
    await attempt();
  } catch (error) {
    if (args[0] === "update") throw error;
    await aptGet(["update"]); // the list of packages may be older than the archive
    await attempt();
  }
}
