import type postgres from "postgres";
import { type Row, SAMPLE_DATASETS, type SampleOptions, sampleRows } from "./generate.ts";
import { jsonRow } from "./json_row.ts";
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
const BATCH = 1 << 19;

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
      rows.set(dataset, await insert(tx, dataset, life, report));
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

async function insert(
  tx: postgres.TransactionSql,
  dataset: string,
  life: SampleOptions,
  report: Report,
): Promise<number> {
  const [first] = sampleRows(dataset, life);
  const [table, columns] = [tx(`public.${dataset}`), tx(Object.keys(first ?? {}))];
  let count = 0;
  for (const rows of batches(sampleRows(dataset, life))) {
    const array = `[${rows.join(",\n")}]`;
    await tx`
      insert into ${table} (${columns})
      select ${columns} from json_populate_recordset(null::${table}, ${array}::text::json)`;
    count += rows.length;
    report(dataset, rows.length, array.length);
  }
  return count;
}

function* batches(rows: Iterable<Row>): Generator<string[]> {
  let [batch, characters]: [string[], number] = [[], 0];
  for (const row of rows) {
    const text = jsonRow(row);
    batch.push(text);
    characters += text.length;
    if (characters < BATCH) continue;
    yield batch;
    [batch, characters] = [[], 0];
  }
  if (batch.length > 0) yield batch;
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
