import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type postgres from "postgres";
import { copyLine } from "./copy_text.ts";
import { type Row, SAMPLE_DATASETS, type SampleOptions, sampleRows } from "./generate.ts";
import { DEFAULT_SEED, sampleIds } from "./life.ts";

/** Where to load, and whom to tell. */
export interface LoadOptions extends SampleOptions {
  /** The colder tiers that can be asked: what has settled there is not loaded again. */
  readonly colder?: readonly postgres.Sql[];
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** Told after each piece of a dataset; `rows` and `characters` count from the first dataset on. */
export interface LoadProgress {
  readonly dataset: string;
  /** 1 to `of`. */
  readonly position: number;
  readonly of: number;
  readonly rows: number;
  readonly characters: number;
}

/** What became of it. */
export type LoadOutcome =
  | { readonly outcome: "loaded"; readonly rows: ReadonlyMap<string, number> }
  | { readonly outcome: "already_loaded"; readonly dataset: string };

/** About this many characters travel at once. */
const CHUNK = 1 << 18;

/**
 * Loads the sample into core, all of it or nothing. A sample that is already there, on core or
 * settled on a colder tier, is left alone. Datasets whose table does not exist are passed over, so
 * that any part of the personal system may be missing.
 *
 * This is the one place outside the tests that writes to the owner's tables from TypeScript: sample
 * data comes from outside, as the owner's own would.
 */
export async function loadSample(
  core: postgres.Sql,
  options: LoadOptions = {},
): Promise<LoadOutcome> {
  const { seed = DEFAULT_SEED, colder = [] } = options;
  const life = { ...options, seed, now: options.now ?? new Date() };
  for (const tier of [core, ...colder]) {
    const dataset = await firstSampled(tier, seed);
    if (dataset !== undefined) return { outcome: "already_loaded", dataset };
  }

  const rows = new Map<string, number>();
  await core.begin(async (tx) => {
    const report = progressReporter(options.onProgress);
    for (const dataset of await existing(tx)) {
      rows.set(dataset, await copy(tx, dataset, life, report));
    }
  });
  return { outcome: "loaded", rows };
}

async function firstSampled(tier: postgres.Sql, seed: number): Promise<string | undefined> {
  for (const dataset of await existing(tier)) {
    const [first, last] = sampleIds(seed, dataset);
    const table = tier(`public.${dataset}`);
    const found = await tier`select from ${table} where id between ${first} and ${last} limit 1`;
    if (found.length > 0) return dataset;
  }
  return undefined;
}

async function existing(sql: postgres.ISql): Promise<string[]> {
  const tables = await sql<{ name: string }[]>`
    select c.relname::text as name
      from pg_catalog.pg_class as c
     where c.relnamespace = 'public'::regnamespace and c.relname = any (${[...SAMPLE_DATASETS]})`;
  const names = new Set(tables.map((table) => table.name));
  return SAMPLE_DATASETS.filter((dataset) => names.has(dataset));
}

type Report = (dataset: string, rows: number, characters: number) => void;

async function copy(
  tx: postgres.TransactionSql,
  dataset: string,
  life: SampleOptions,
  report: Report,
): Promise<number> {
  const [first] = sampleRows(dataset, life);
  if (first === undefined) return 0;

  let count = 0;
  function* lines(): Generator<string> {
    for (const chunk of chunks(sampleRows(dataset, life))) {
      yield chunk.lines;
      count += chunk.rows;
      report(dataset, chunk.rows, chunk.lines.length);
    }
  }
  const columns = tx(Object.keys(first));
  const stdin = await tx`copy ${tx(`public.${dataset}`)} (${columns}) from stdin`.writable();
  await pipeline(Readable.from(lines()), stdin);
  return count;
}

function* chunks(rows: Iterable<Row>): Generator<{ lines: string; rows: number }> {
  let chunk = { lines: "", rows: 0 };
  for (const row of rows) {
    chunk = { lines: chunk.lines + copyLine(row), rows: chunk.rows + 1 };
    if (chunk.lines.length < CHUNK) continue;
    yield chunk;
    chunk = { lines: "", rows: 0 };
  }
  yield chunk;
}

function progressReporter(onProgress: LoadOptions["onProgress"]): Report {
  let [rows, characters] = [0, 0];
  return (dataset, moreRows, moreCharacters) => {
    rows += moreRows;
    characters += moreCharacters;
    const position = SAMPLE_DATASETS.indexOf(dataset) + 1;
    onProgress?.({ dataset, position, of: SAMPLE_DATASETS.length, rows, characters });
  };
}
