import postgres from "postgres";

/** What a writer has seen. */
export interface Written {
  rows: number;
  /** The longest that one insert took. */
  longestMs: number;
  errors: string[];
}

/** Somebody who writes all the time; ends with the block at the latest. */
export interface Writer extends AsyncDisposable {
  stop(): Promise<Written>;
}

/** How somebody writes. */
export interface WriterOptions {
  perSecond: number;
  lockTimeoutMs: number;
  /** SQL of a new row's key in `public.letters`; `$1` is its number. */
  id?: string;
}

/** Inserts rows into `public.letters`, so many a second, even where new sessions are read-only. */
export function writer(
  url: string,
  { perSecond, lockTimeoutMs, id = "1000000 + $1::integer" }: WriterOptions,
): Writer {
  const sql = postgres(url, {
    max: 1,
    connection: {
      search_path: "pg_catalog",
      lock_timeout: lockTimeoutMs,
    },
  });
  const written: Written = { rows: 0, longestMs: 0, errors: [] };
  let stopped = false;
  const began = performance.now();
  const writing = (async () => {
    await sql`set default_transaction_read_only = off`;
    while (!stopped) {
      const due = began + (written.rows + written.errors.length) * 1000 / perSecond;
      const early = due - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      const start = performance.now();
      try {
        await sql.unsafe(
          `insert into public.letters (id, created_at, body) values (${id}, now(), repeat('w', 400 + 0 * $1::integer))`,
          [written.rows],
        );
        written.rows += 1;
      } catch (error) {
        written.errors.push(String(error));
      }
      written.longestMs = Math.max(written.longestMs, performance.now() - start);
    }
    await sql.end();
  })();
  const stop = async () => {
    stopped = true;
    await writing;
    return written;
  };
  return {
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}
