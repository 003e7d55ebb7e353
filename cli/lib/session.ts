/** Connections to the tiers of a configuration: those that answer, and why the others do not. */
import postgres, { type Sql } from "postgres";
import type { Config, Tier } from "../config/load.ts";
import type { TierName } from "../config/schema.ts";
import { dialling, type Trust } from "../../supabase/functions/_strata/protocol/postgres_tls.ts";
import { datasets, tierOf } from "../../supabase/functions/_strata/protocol/strata.ts";
import { datasetOf } from "../tiers/holdings.ts";
import { asFailure, Failure, isAboutTheQuestion, noDataset } from "./errors.ts";
import { readTableName } from "./table_name.ts";

const CONNECT_SECONDS = 8;

/** A tier one can talk to. */
export interface OpenTier {
  tier: Tier;
  sql: Sql;
}

/** A tier that is left out, and why. */
export interface SkippedTier {
  tier: TierName;
  says: string;
  remedy: string;
}

/** Every tier of the configuration, open or skipped. */
export class Session implements AsyncDisposable {
  readonly #order: TierName[];

  constructor(readonly open: OpenTier[], readonly skipped: SkippedTier[]) {
    this.#order = open.map(({ tier }) => tier.key);
  }

  /** The tier, or a failure that says why it cannot be talked to. */
  require(key: TierName): OpenTier {
    const found = this.open.find(({ tier }) => tier.key === key);
    if (found !== undefined) return found;
    const skipped = this.skipped.find((other) => other.tier === key);
    throw new Failure(
      skipped === undefined ? `The configuration has no ${key}` : `${key}: ${skipped.says}`,
      skipped?.remedy,
    );
  }

  /**
   * Asks every open tier at once, or some. A tier that fails is skipped from then on; when all of
   * them object to the question itself, that is the answer.
   */
  async ask<T>(
    question: (open: OpenTier) => Promise<T>,
    asked: readonly OpenTier[] = this.open,
  ): Promise<{ tier: TierName; answer: T }[]> {
    const answers: { tier: TierName; answer: T }[] = [];
    const failures: { open: OpenTier; failure: Failure }[] = [];
    await Promise.all(asked.map(async (open) => {
      try {
        answers.push({ tier: open.tier.key, answer: await question(open) });
      } catch (error) {
        const failure = asFailure(error);
        if (failure.code === "" && failure !== error) throw error; // a fault of this program
        failures.push({ open, failure });
      }
    }));
    const [first] = failures;
    if (answers.length === 0 && first !== undefined && isAboutTheQuestion(first.failure)) {
      throw first.failure;
    }
    for (const { open, failure } of failures) this.skip(open, failure);
    const position = (key: TierName) => this.#order.indexOf(key);
    return answers.sort((a, b) => position(a.tier) - position(b.tier));
  }

  /** The open tiers that manage a dataset, hottest first. */
  async managing(dataset: string): Promise<OpenTier[]> {
    const answers = await this.ask(({ sql }) => datasets(sql));
    const tiers = answers.filter(({ answer }) => answer.some(({ name }) => name === dataset))
      .map(({ tier }) => tier);
    return this.open.filter(({ tier }) => tiers.includes(tier.key));
  }

  /** A dataset's name; its table's will do, in any quoting. Where there is none, what was given. */
  async named(dataset: string): Promise<string> {
    const answers = await this.ask(({ sql }) => datasetOf(sql, dataset, readTableName(dataset)));
    return answers.find(({ answer }) => answer !== undefined)?.answer ?? dataset;
  }

  /** That no tier manages a dataset of this name, and which was perhaps meant. */
  async noDataset(name: string): Promise<Failure> {
    const answers = await this.ask(({ sql }) => datasets(sql));
    return noDataset(name, answers.flatMap(({ answer }) => answer.map((dataset) => dataset.name)));
  }

  /** Whether every tier of the configuration has answered so far. */
  get isComplete(): boolean {
    return this.skipped.length === 0;
  }

  /** Leaves a tier out from here on. */
  skip(open: OpenTier, error: unknown): void {
    const { message, remedy } = asFailure(error);
    this.skipped.push({ tier: open.tier.key, says: message, remedy });
    this.open.splice(this.open.indexOf(open), 1);
    void open.sql.end({ timeout: 1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.open.map(({ sql }) => sql.end({ timeout: 5 })));
  }
}

/** Opens every tier that answers; whether Strata is set up there is not asked. */
export async function openTiers(config: Config): Promise<Session> {
  const session = dialled(config);
  await session.ask(({ sql }) => sql`select`);
  return session;
}

/** A connection is made with the first question that is asked over it. */
function dialled(config: Config): Session {
  return new Session(
    config.tiers.map((tier) => ({ tier, sql: connect(tier.dbUrl, tier.trust) })),
    [],
  );
}

/** Opens every tier that answers and is the tier the configuration takes it for. */
export async function openStrata(config: Config): Promise<Session> {
  const session = dialled(config);
  await session.ask(async ({ tier, sql }) => {
    const self = await tierOf(sql);
    if (self === tier.key) return;
    throw new Failure(
      self == null ? "Strata is not set up there" : `that database is ${self}, not ${tier.key}`,
      self == null ? "Run `deno task strata setup --init`." : "Correct the tier's db_url_env.",
    );
  });
  if (session.open.length > 0) return session;
  const [first] = session.skipped;
  throw new Failure(
    ["No tier can be worked with:", ...session.skipped.map((s) => `  ${s.tier}: ${s.says}`)]
      .join("\n"),
    first?.remedy,
  );
}

/** One connection that speaks UTC and gives points in time as Postgres writes them. */
export function connect(address: string, trust: Trust = {}): Sql {
  const text = (value: string) => value;
  const { url, options } = dialling(address, trust);
  return postgres(url, {
    max: 2, // one that works, one that watches it
    connect_timeout: CONNECT_SECONDS,
    ...options,
    prepare: false, // a pooler may give the next statement to another server process
    onnotice: () => {},
    connection: { application_name: "strata", TimeZone: "UTC" },
    types: { date: { to: 1184, from: [1082, 1114, 1184], serialize: String, parse: text } },
  });
}
