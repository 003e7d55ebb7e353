import postgres, { type Sql } from "postgres";
import { findPostgres, type Postgres } from "../../local/packages.ts";
import { makeServerDirectory, run, runAsServer } from "../../local/server_user.ts";

/** What of a server there is. */
export type Given =
  /** What `initdb` leaves: no TLS, no password asked, a superuser of any name, pg_cron on the disk and not loaded. */
  | "initdb"
  /** What `apt install postgresql` leaves: TLS, passwords over TCP, and the extensions of that package alone. */
  | "apt";

/** A PostgreSQL on which nobody has prepared anything for Strata. Gone at the end of the block. */
export interface PlainServer extends AsyncDisposable {
  /** The address of its database `postgres`, as its superuser. */
  url: string;
  sql: Sql;
}

const PASSWORD = "what-its-owner-has-set";
/** Debian has these in packages of their own. */
const NOT_IN_THE_PACKAGE = /^(pg_cron|pg_net|plpgsql_check|pgtap|supabase_vault|vault)/;

/** Makes a server and starts it. Its pg_net, where it has one, is an extension of this script. */
export async function plainServer(given: Given, pgNet?: string): Promise<PlainServer> {
  const found = await findPostgres(Number(Deno.env.get("STRATA_PG")?.split(",")[0]) || undefined);
  if (found === undefined) throw new Error("there is no PostgreSQL on this machine");
  const directory = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "strata-plain-" });
  await makeServerDirectory(directory);
  const bin = given === "apt" ? await packageAlone(found, directory) : found.bin;
  if (pgNet !== undefined) await addExtension(bin, "pg_net", pgNet);
  const [user, port, data] = [
    given === "apt" ? "postgres" : "keeper",
    freePort(),
    `${directory}/data`,
  ];
  await runAsServer(`${bin}/initdb`, [
    ...["--pgdata", data, "--username", user, "--encoding", "UTF8", "--locale", "C.UTF-8"],
    ...(given === "apt"
      ? ["--auth-local", "trust", "--auth-host", "scram-sha-256"]
      : ["--auth", "trust"]),
    "--no-sync",
  ]);
  const tls = given === "apt" ? ["-c", "ssl=on"] : [];
  if (given === "apt") await makeCertificate(data);
  const settings = ["-p", `${port}`, "-k", directory, "-c", "listen_addresses=127.0.0.1", ...tls];
  await runAsServer(`${bin}/pg_ctl`, [
    ...["start", "--wait", "--silent", "--pgdata", data, "--log", `${directory}/log`],
    ...["--options", settings.join(" ")],
  ]);
  const url = `postgresql://${user}:${PASSWORD}@127.0.0.1:${port}/postgres`;
  if (given === "apt") await setPassword(directory, port, user);
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  return {
    url,
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 });
      await runAsServer(`${bin}/pg_ctl`, [
        "stop",
        "--wait",
        "--silent",
        "--mode",
        "immediate",
        "-D",
        data,
      ]);
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** A copy of the installation without the extensions of other packages: programs find their files from where they lie. */
async function packageAlone({ bin, major }: Postgres, directory: string): Promise<string> {
  const root = bin.slice(0, -`/lib/postgresql/${major}/bin`.length);
  const [programs, share] = [`lib/postgresql/${major}`, `share/postgresql/${major}`];
  for (const part of [programs, share]) {
    await Deno.mkdir(`${directory}/usr/${part.slice(0, part.lastIndexOf("/"))}`, {
      recursive: true,
    });
    await run("cp", ["--recursive", `${root}/${part}`, `${directory}/usr/${part}`]);
  }
  for (const part of [`${programs}/lib`, `${share}/extension`]) {
    for await (const { name } of Deno.readDir(`${directory}/usr/${part}`)) {
      if (NOT_IN_THE_PACKAGE.test(name)) {
        await Deno.remove(`${directory}/usr/${part}/${name}`, { recursive: true });
      }
    }
  }
  return `${directory}/usr/${programs}/bin`;
}

async function addExtension(bin: string, name: string, script: string): Promise<void> {
  const share = (await run(`${bin}/pg_config`, ["--sharedir"])).trim();
  const control = "default_version = '1.0'\nrelocatable = false\n";
  await Deno.writeTextFile(`${share}/extension/${name}.control`, control);
  await Deno.writeTextFile(`${share}/extension/${name}--1.0.sql`, script);
}

async function makeCertificate(data: string): Promise<void> {
  await runAsServer("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-days", "3650", "-subj", "/CN=snakeoil"],
    ...["-keyout", `${data}/server.key`, "-out", `${data}/server.crt`],
  ]);
}

async function setPassword(host: string, port: number, user: string): Promise<void> {
  const local = postgres({ host, port, user, database: "postgres", max: 1 });
  await local.unsafe(`alter role ${user} password '${PASSWORD}'`);
  await local.end();
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
