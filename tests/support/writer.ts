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

/** Inserts rows into `public.letters`, so many a second, even where new sessions are read-only. */
export function writer(
  url: string,
  { perSecond, lockTimeoutMs }: { perSecond: number; lockTimeoutMs: number },
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
        await sql`
          insert into public.letters (id, created_at, body)
          values (${1_000_000 + written.rows}, now(), repeat('w', 400))`;
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
