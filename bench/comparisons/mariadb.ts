/** pt-archiver between two servers of MariaDB: the same rows, the best known tool of another database. */
import { dirname } from "node:path";
import { ending } from "../../local/ending.ts";
import { makeServerDirectory, run, runAsServer } from "../../local/server_user.ts";
import { waitFor } from "../../local/wait_for.ts";
import { testCluster } from "../../tests/support/stack.ts";
import { seconds } from "../letters.ts";
import { requireProgram } from "./tools.ts";

/** A server of MariaDB, gone at the end of the block. */
interface Server extends AsyncDisposable {
  socket: string;
  /** Runs SQL and returns the last column of what it prints. */
  ask(sql: string): Promise<string>;
}

/** What pt-archiver took, or why it could not be measured. */
export type Archived = { seconds: number } | { skipped: string };

const TABLE = `create table letters (
  id uuid primary key, created_at datetime(6) not null, body text not null, key (created_at))`;

/** A random key, as in the other tables. */
const RANDOM_KEY =
  "concat(left(md5(seq), 12), '4', substr(md5(seq), 14, 3), '8', substr(md5(seq), 18, 15))";

/** Moves so many rows of about 470 bytes, as pt-archiver's own manual advises for speed. */
export async function byPtArchiver(
  rows: number,
  say: (line: string) => void,
): Promise<Archived> {
  const problem =
    await requireProgram("mariadbd", ["mariadb-server-core", "mariadb-client"], say) ??
      await requireProgram("pt-archiver", ["percona-toolkit"], say);
  if (problem !== undefined) return { skipped: problem };
  await using source = await server("source");
  await using destination = await server("destination");
  const body = Array.from({ length: 13 }, (_, part) => `md5(concat(seq, ' ${part}'))`).join(", ");
  await source.ask(`${TABLE};
    insert into letters select ${RANDOM_KEY}, now(6) - interval 100 day + interval seq * 1000 microsecond,
           concat(${body}) from seq_1_to_${rows};
    analyze table letters`);
  await destination.ask(TABLE);
  const took = await seconds(() =>
    run("pt-archiver", [
      ...["--source", `S=${source.socket},D=bench,t=letters,u=root,L=1,A=utf8mb4`],
      ...["--dest", `S=${destination.socket},D=bench,t=letters,u=root,L=1,A=utf8mb4`],
      ...["--where", "1=1", "--limit", "1000", "--bulk-insert", "--bulk-delete", "--commit-each"],
      ...["--no-check-charset", "--no-version-check", "--no-safe-auto-increment"],
    ])
  );
  const [left, arrived] = [
    Number(await source.ask("select count(*) from letters")),
    Number(await destination.ask("select count(*) from letters")),
  ];
  if (left !== 0 || arrived !== rows) {
    throw new Error(`of ${rows} rows ${left} stayed and ${arrived} arrived with pt-archiver`);
  }
  return { seconds: took };
}

/** A server beside the bench's own, with as much memory as those and as careful at each commit. */
async function server(name: string): Promise<Server> {
  const directory = `${dirname((await testCluster("core")).directory)}/mariadb-${name}`;
  const socket = `${directory}/socket`;
  await Deno.remove(directory, { recursive: true }).catch(() => {});
  await makeServerDirectory(directory);
  const user = Deno.uid() === 0 ? ["--user=postgres"] : [];
  await runAsServer("mariadb-install-db", [
    ...["--no-defaults", `--datadir=${directory}/data`, "--skip-test-db"],
    "--auth-root-authentication-method=normal",
  ]);
  const process = new Deno.Command("mariadbd", {
    args: [
      ...["--no-defaults", ...user, `--datadir=${directory}/data`, `--socket=${socket}`],
      ...["--skip-networking", "--skip-log-bin", "--local-infile=1", `--pid-file=${directory}/pid`],
      ...["--innodb-buffer-pool-size=256M", "--innodb-flush-log-at-trx-commit=1"],
      ...["--innodb-log-file-size=1G", "--character-set-server=utf8mb4"],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    signal: ending,
  }).spawn();
  const client = ["--no-defaults", "--user=root", `--socket=${socket}`, "--batch", "-N"];
  const ask = (sql: string, database = "bench") =>
    run("mariadb", [...client, database, "--execute", sql]);
  const stop = async () => {
    process.kill("SIGTERM");
    await process.status;
    await Deno.remove(directory, { recursive: true });
  };
  try {
    await waitFor("MariaDB to answer", async () => {
      return await ask("create database if not exists bench", "mysql").then(
        () => true,
        () => false,
      );
    }, { timeoutMs: 60_000 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { socket, ask, [Symbol.asyncDispose]: stop };
}
