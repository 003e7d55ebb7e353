import type { Sql } from "postgres";
import type { Driver, TestChain } from "../tests/support/chain.ts";
import { testStack } from "../tests/support/stack.ts";
import { countLetters, createLetters, lettersChain, seconds, writeLetters } from "./letters.ts";
import { restRowsPerSecond } from "./rest.ts";

/** What `bench move` found. */
export interface MoveResult {
  rows: number;
  bytes: number;
  limit_seconds: number;
  fdw_seconds: number;
  rest_rows_per_second: number;
  push_seconds: number;
  pull_seconds: number;
  push_ratio: number;
  pull_ratio: number;
}

const REST_ROWS = 1000;

/** Moves the same rows from core to main in every way, each time between two new databases. */
export async function benchMove(
  rows: number,
  rounds: number,
  say: (line: string) => void,
): Promise<MoveResult> {
  const best = { limit: Infinity, fdw: Infinity, push: Infinity, pull: Infinity, bytes: 0 };
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}: copy binary, then delete`);
    const limit = await measure("push", rows, byCopy);
    say("insert into a foreign table, then delete");
    const fdw = await measure("push", rows, byForeignTable);
    say("Strata, pushed by core");
    const push = await measure("push", rows, ({ core }) => settle(core.sql, core.sql));
    say("Strata, pulled by main");
    const pull = await measure("pull", rows, ({ core, main }) => settle(core.sql, main.sql));
    best.limit = Math.min(best.limit, limit.result);
    best.fdw = Math.min(best.fdw, fdw.result);
    best.push = Math.min(best.push, push.result);
    best.pull = Math.min(best.pull, pull.result);
    best.bytes = limit.bytes;
  }
  say("row by row over REST");
  const rest = await measure("push", REST_ROWS, restRowsPerSecond);
  return {
    rows,
    bytes: best.bytes,
    limit_seconds: best.limit,
    fdw_seconds: best.fdw,
    rest_rows_per_second: rest.result,
    push_seconds: best.push,
    pull_seconds: best.pull,
    push_ratio: best.push / best.limit,
    pull_ratio: best.pull / best.limit,
  };
}

type Mover = (chain: TestChain) => Promise<number>;

async function measure(driver: Driver, rows: number, mover: Mover) {
  await using chain = await lettersChain(driver);
  const { core, main } = chain;
  await writeLetters(core.sql, { rows, characters: 416, daysOld: 100 });
  const [table] = await core.sql<{ bytes: number }[]>`
    select pg_table_size('public.letters')::float8 as bytes`;

  const result = await mover(chain);

  const [left, arrived] = [await countLetters(core.sql), await countLetters(main.sql)];
  if (left !== 0 || arrived !== rows) {
    throw new Error(`of ${rows} rows ${left} stayed and ${arrived} arrived`);
  }
  return { result, bytes: table?.bytes ?? 0 };
}

/** Nothing between two databases is faster, and nothing is proved. */
async function byCopy({ core, main }: TestChain): Promise<number> {
  await createLetters(main.sql);
  const { bin } = (await testStack()).server;
  const pipe = `"$BIN/psql" -qXc "copy public.letters to stdout binary" "$CORE" |
    "$BIN/psql" -qXc "copy public.letters from stdin binary" "$MAIN"`;
  return await seconds(async () => {
    const { success } = await new Deno.Command("bash", {
      args: ["-o", "pipefail", "-c", pipe],
      env: { BIN: bin, CORE: core.url, MAIN: main.url },
    }).output();
    if (!success) throw new Error("copy | copy failed");
    await core.sql`delete from public.letters where true`;
  });
}

/** What a careful person writes by hand: in batches, or it takes a round trip for each row. */
async function byForeignTable({ core, main }: TestChain): Promise<number> {
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
