/** Looks at both servers ten times a second while clients work. */
import type { TestDatabase } from "../../tests/support/database.ts";

/** What one look saw. */
export interface Look {
  at: number;
  /** Connections of Strata's login. */
  core: number;
  main: number;
  /** What the clients' sessions that are not idle wait for; `cpu` when for nothing. */
  waits: string[];
  /** Jiffies of all processors: not idle, and in all. */
  busy: number;
  total: number;
}

/** Somebody who looks; ends with the block at the latest. */
export interface Observer extends AsyncDisposable {
  stop(): Promise<Look[]>;
}

const EVERY_MS = 100;

/** Looks until it is stopped. */
export function observe(core: TestDatabase, main: TestDatabase): Observer {
  const [hot, cold] = [core.connect({ max: 1 }), main.connect({ max: 1 })];
  const looks: Look[] = [];
  let over = false;
  const looking = (async () => {
    while (!over) {
      const [here, there, processors] = await Promise.all([
        hot<{ mover: boolean; wait: string | null }[]>`
          select usename like 'strata\\_mover\\_%' as mover,
                 case when application_name = 'pgbench' and state <> 'idle'
                      then coalesce(wait_event_type || '/' || wait_event, 'cpu') end as wait
            from pg_stat_activity where usename like 'strata\\_mover\\_%' or application_name = 'pgbench'`,
        cold<{ n: number }[]>`
          select count(*)::integer as n from pg_stat_activity where usename like 'strata\\_mover\\_%'`,
        jiffies(),
      ]);
      looks.push({
        at: Date.now(),
        core: here.filter(({ mover }) => mover).length,
        main: there[0]?.n ?? 0,
        waits: here.flatMap(({ wait }) => wait ?? []),
        ...processors,
      });
      await new Promise((wake) => setTimeout(wake, EVERY_MS));
    }
  })();
  const stop = async () => {
    over = true;
    await looking;
    return looks;
  };
  return {
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

async function jiffies(): Promise<{ busy: number; total: number }> {
  const text = await Deno.readTextFile("/proc/stat").catch(() => "");
  const [, ...times] = (text.split("\n")[0] ?? "").split(/ +/).map(Number);
  const total = times.slice(0, 8).reduce((sum, value) => sum + value, 0);
  return { total, busy: total - (times[3] ?? 0) - (times[4] ?? 0) };
}

/** How busy all processors were during some looks, in percent; NaN where the system does not say. */
export function busyPercent(looks: readonly Look[]): number {
  const [first, last] = [looks[0], looks.at(-1)];
  if (first === undefined || last === undefined) return NaN;
  return Math.round(100 * (last.busy - first.busy) / (last.total - first.total));
}

/** What was waited for most often, with its share of all that was seen. */
export function commonWaits(looks: readonly Look[]): Record<string, number> {
  const all = looks.flatMap(({ waits }) => waits);
  const counts = Object.entries(Object.groupBy(all, (wait) => wait))
    .map(([wait, seen = []]): [string, number] => [wait, seen.length / all.length])
    .sort(([, a], [, b]) => b - a);
  return Object.fromEntries(counts.slice(0, 5).map(([wait, share]) => [wait, round(share)]));
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
