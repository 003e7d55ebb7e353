/** Ways in which a core becomes read-only, and how one sees whether it is. */
import postgres, { type Sql } from "postgres";
import { type Cluster, connectLocally } from "../../local/cluster.ts";
import type { CronChain, OwnStack } from "./own_stack.ts";
import { killServer, startServer } from "./servers.ts";
import { waitFor } from "./wait_for.ts";

const ON = "default_transaction_read_only = on";

/** What makes new sessions read-only: as the platform does it, and every setting that a person can make. */
export const WAYS = {
  "the server": `alter system set ${ON}`,
  "the database": `alter database postgres set ${ON}`,
  "all roles": `alter role all set ${ON}`,
  "the role": `alter role postgres set ${ON}`,
  "the role here": `alter role postgres in database postgres set ${ON}`,
} as const;

/** One of them. */
export type Way = keyof typeof WAYS;

/** Every one of them. */
export const EVERY_WAY = Object.keys(WAYS) as Way[];

/** Whether pg_cron's launcher, which logs in as nobody, is stopped by it. */
export const stopsCron = (way: Way) => !way.startsWith("the role");

/** A core whose server belongs to one test. */
export class Core {
  readonly #cluster: Cluster;
  readonly #platform: Sql;
  readonly #stack: OwnStack;
  readonly url: string;

  constructor({ stack, core }: CronChain) {
    const cluster = stack.clusters.find(({ tier }) => tier === "core");
    if (cluster === undefined) throw new Error("there is no core");
    this.#cluster = cluster;
    this.#stack = stack;
    this.#platform = connectLocally(cluster);
    this.url = core.url;
  }

  /** Does what only the platform may, whatever the server's settings say. */
  async asPlatform(...statements: string[]): Promise<void> {
    await this.#platform`set default_transaction_read_only = off`;
    for (const statement of statements) await this.#platform.unsafe(statement);
    await this.#platform`reset default_transaction_read_only`;
  }

  /** Makes new sessions read-only. */
  async turnReadOnly(way: Way): Promise<void> {
    await this.asPlatform(WAYS[way], "select pg_reload_conf()");
    if (way === "the server") await this.#serverSays("on");
  }

  /** Takes every such setting away. */
  async turnBack(): Promise<void> {
    const resets = Object.values(WAYS).map((way) =>
      way.replace(`set ${ON}`, "reset default_transaction_read_only")
    );
    await this.asPlatform(...resets, "select pg_reload_conf()");
    await this.#serverSays("off");
  }

  /** What sessions that begin now may do: one of nobody, as pg_cron's, and one of ours. */
  async isWritable(): Promise<{ cron: boolean; ours: boolean }> {
    const ask = async (sql: Sql) => {
      const [row] = await sql<{ says: string }[]>`
        select current_setting('default_transaction_read_only') as says`;
      await sql.end();
      return row?.says === "off";
    };
    return {
      cron: await ask(connectLocally(this.#cluster)),
      ours: await ask(this.open()),
    };
  }

  /** A session of ours that has just begun. */
  open(): Sql {
    return postgres(this.url, { max: 2, prepare: false, onnotice: () => {} });
  }

  /** Runs something in a session that has just begun. */
  async inFreshSession<T>(run: (sql: Sql) => PromiseLike<T>): Promise<T> {
    const sql = this.open();
    try {
      return await run(sql);
    } finally {
      await sql.end();
    }
  }

  /** Waits until pg_cron has lived for longer than it takes it to fail. */
  async cronLives(): Promise<void> {
    await waitFor("pg_cron to live", async () => {
      const [row] = await this.#platform`
        select exists (select from pg_stat_activity
                        where backend_type = 'pg_cron launcher'
                          and backend_start < clock_timestamp() - interval '1 second') as lives`;
      return row?.["lives"];
    });
  }

  /** Starts the server anew, and pg_cron with it, which goes by the settings of today from then on. */
  async restart(): Promise<void> {
    await killServer("core", this.#stack);
    await startServer("core", this.#stack);
  }

  /** Waits until pg_cron has failed to begin, again and again. */
  async cronIsDead(): Promise<void> {
    const failures = async () =>
      (await Deno.readTextFile(`${this.#cluster.directory}/log`))
        .split("cannot execute UPDATE in a read-only transaction").length;
    const before = await failures();
    await waitFor("pg_cron to fail twice", async () => await failures() >= before + 2);
  }

  async close(): Promise<void> {
    await this.#platform.end();
  }

  /** Waits until the server goes by its new configuration: a database that says nothing itself shows it. */
  async #serverSays(value: "on" | "off"): Promise<void> {
    await waitFor(`the server to say ${value}`, async () => {
      const fresh = connectLocally(this.#cluster, "template1");
      const [row] = await fresh<{ says: string }[]>`
        select current_setting('default_transaction_read_only') as says`;
      await fresh.end();
      return row?.says === value;
    });
  }
}
