import type { Sql } from "postgres";
import type { Driver, TestChain } from "../tests/support/chain.ts";
import { testStack } from "../tests/support/stack.ts";
import {
  countLetters,
  createLetters,
  lettersChain,
  ROW_CHARACTERS,
  type RowWidth,
  seconds,
  writeLetters,
} from "./letters.ts";

/** What is moved: so many rows of a width. */
export interface Load {
  row: RowWidth;
  rows: number;
}

/** One way of bringing rows from core to main and deleting them on core; returns its seconds. */
export type Mover = (chain: TestChain, load: Load) => Promise<number>;

/** What a way took. */
export interface Measured {
  seconds: number;
  /** What the rows took on core's disk, without indexes. */
  bytes: number;
  /** Bytes of write-ahead log for each of those bytes, from the first read to the last delete. */
  wal_core: number;
  wal_main: number;
  /** Bytes of text that crossed for each of those bytes; 0 where Strata did not carry them. */
  text: number;
  /** What an entry of main's key index takes after rows came with random keys. */
  key_bytes: number;
}

/** Fills two new tiers, moves everything in one way, and counts what left and what arrived. */
export async function measure(driver: Driver, load: Load, mover: Mover): Promise<Measured> {
  await using chain = await lettersChain(driver);
  const { core, main } = chain;
  const characters = ROW_CHARACTERS[load.row];
  await writeLetters(core.sql, { rows: load.rows, characters, daysOld: 100 });
  const bytes = await ask(core.sql, "select pg_table_size('public.letters') as n");

  const before = [await walBytes(core.sql), await walBytes(main.sql)] as const;
  const took = await mover(chain, load);
  const after = [await walBytes(core.sql), await walBytes(main.sql)] as const;

  const [left, arrived] = [await countLetters(core.sql), await countLetters(main.sql)];
  if (left !== 0 || arrived !== load.rows) {
    throw new Error(`of ${load.rows} rows ${left} stayed and ${arrived} arrived`);
  }
  return {
    seconds: took,
    bytes,
    wal_core: (after[0] - before[0]) / bytes,
    wal_main: (after[1] - before[1]) / bytes,
    text: await ask(core.sql, "select coalesce(sum(bytes), 0) as n from strata.moves") / bytes,
    key_bytes: await ask(main.sql, "select pg_relation_size('public.letters_pkey') as n") /
      load.rows,
  };
}

async function ask(sql: Sql, question: string): Promise<number> {
  const [row] = await sql.unsafe<{ n: string }[]>(question);
  return Number(row?.n);
}

/** How much its server has ever written to its log; servers of the bench serve nobody else. */
function walBytes(sql: Sql): Promise<number> {
  return ask(sql, "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as n");
}

/** Runs a pipe of the server's own programs, which find the two databases as $CORE and $MAIN. */
export async function runPipe({ core, main }: TestChain, pipe: string): Promise<void> {
  const { bin } = (await testStack()).servers.core;
  const { success, stderr } = await new Deno.Command("bash", {
    args: ["-o", "pipefail", "-c", pipe],
    env: { BIN: bin, CORE: core.url, MAIN: main.url },
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${pipe} failed: ${new TextDecoder().decode(stderr)}`);
}

/** The limit: nothing between two databases is faster, and nothing is proved. */
export async function byCopy(chain: TestChain): Promise<number> {
  await createLetters(chain.main.sql);
  return await seconds(async () => {
    await runPipe(
      chain,
      `"$BIN/psql" -qXc "copy public.letters to stdout binary" "$CORE" |
         "$BIN/psql" -qXc "copy public.letters from stdin binary" "$MAIN"`,
    );
    await chain.core.sql`delete from public.letters where true`;
  });
}

/** What a careful person writes by hand: in batches, or it takes a round trip for each row. */
export async function byForeignTable({ core, main }: TestChain): Promise<number> {
  await createLetters(main.sql);
  const { hostname, port, pathname, password } = new URL(main.url);
  const database = pathname.slice(1);
  await core.sql.unsafe(`
    create schema bench;
    create server bench foreign data wrapper postgres_fdw
      options (host '${hostname}', port '${port}', dbname '${database}', batch_size '1000');
    create user mapping for postgres server bench options (user 'postgres', password '${password}');
    import foreign schema public limit to (letters) from server bench into bench;`);
  return await seconds(async () => {
    await core.sql`insert into bench.letters select * from public.letters`;
    await core.sql`delete from public.letters where true`;
  });
}

/** Strata, driven by core. */
export function byPush({ core }: TestChain): Promise<number> {
  return settle(core.sql, core.sql);
}

/** Strata, driven by main. */
export function byPull({ core, main }: TestChain): Promise<number> {
  return settle(core.sql, main.sql);
}

/** As cron does: the same call until nothing is left. */
async function settle(core: Sql, driving: Sql): Promise<number> {
  return await seconds(async () => {
    let [before, left] = [Infinity, await countLetters(core)];
    while (left > 0 && left < before) {
      await driving.unsafe("call strata.move_due()");
      [before, left] = [left, await countLetters(core)];
    }
  });
}

/** The better of two measurements of one way. */
export function better(one: Measured | undefined, other: Measured): Measured {
  return one !== undefined && one.seconds <= other.seconds ? one : other;
}
