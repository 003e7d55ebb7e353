/** Loads a file into a dataset of core: all of it, or its good lines, in one transaction. */
import type { Sql } from "postgres";
import { loadRows } from "../../supabase/functions/_strata/protocol/strata.ts";
import { Failure } from "../lib/errors.ts";
import { formatOf, type Line } from "./lines.ts";

/** A line that is no row of the dataset, and why. */
export interface BadLine {
  line: number;
  says: string;
}

/** What became of a file. */
export interface LoadResult {
  loaded: number;
  /** The first {@link SHOWN} bad lines, in the order of the file. */
  bad: BadLine[];
  badCount: number;
  /** False: the transaction was rolled back, because of the bad lines. */
  kept: boolean;
  /** False: there were so many bad lines that the rest was not read. */
  readToEnd: boolean;
}

/** What to load where. */
export interface LoadOptions {
  dataset: string;
  path: string;
  skipBad: boolean;
  onProgress(done: number, total: number): void;
}

/** A batch ends at so many lines or characters, so that a file of any size needs little memory. */
const BATCH = { lines: 2_000, characters: 1_000_000 };
/** So many bad lines are told; a file with more is not read on unless bad lines are skipped. */
const SHOWN = 100;

class Undo extends Error {}

/** Loads a file. A bad line undoes everything, unless bad lines are to be skipped. */
export async function load(sql: Sql, options: LoadOptions): Promise<LoadResult> {
  const { skipBad, path } = options;
  const total = await sizeOf(path);
  const result: LoadResult = { loaded: 0, bad: [], badCount: 0, kept: true, readToEnd: true };
  try {
    await sql.begin(async (tx) => {
      let done = 0;
      const format = formatOf(path);
      const lines = format.read(path, (bytes) => options.onProgress(done += bytes, total));
      for await (const batch of batches(lines, result)) {
        const bad = await loadRows(
          tx,
          options.dataset,
          batch.map(({ document }) => document),
          format.jsonAsText,
        );
        result.loaded += batch.length - bad.length;
        for (const { place, says } of bad) note(result, batch[place - 1]?.line ?? 0, says);
        result.readToEnd = skipBad || result.badCount < SHOWN;
        if (!result.readToEnd) break;
      }
      if (result.badCount > 0 && !skipBad) throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
    result.kept = false;
    result.loaded = 0;
  }
  result.bad.sort((a, b) => a.line - b.line);
  return result;
}

type Row = { line: number; document: string };

/** Gathers rows into batches, and notes the lines that are none. */
async function* batches(lines: AsyncIterable<Line>, result: LoadResult): AsyncGenerator<Row[]> {
  let batch: Row[] = [];
  let characters = 0;
  for await (const line of lines) {
    if ("bad" in line) {
      note(result, line.line, line.bad);
      continue;
    }
    batch.push(line);
    characters += line.document.length;
    if (batch.length < BATCH.lines && characters < BATCH.characters) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield batch;
}

function note(result: LoadResult, line: number, says: string): void {
  result.badCount++;
  if (result.bad.length < SHOWN) result.bad.push({ line, says });
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Failure(`There is no file ${path}`, "Correct its name.", 2);
    }
    throw error;
  }
}
