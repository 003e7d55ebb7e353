/** A file's rows as JSON documents, one at a time, each with the number of its line. */
import { Buffer } from "node:buffer";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { parse } from "csv-parse";
import { z } from "zod";
import { Failure } from "../lib/errors.ts";
import { plural } from "../lib/output.ts";

/** A row of the file, or why it is none. */
export type Line =
  | { line: number; document: string }
  | { line: number; bad: string };

const CONVERT = "Convert the file: iconv -f latin1 -t utf-8";

/** A way to read a file, and whether its JSON columns come as text. */
export interface Format {
  read(path: string, onBytes: (count: number) => void): AsyncGenerator<Line>;
  jsonAsText: boolean;
}

/** The format of a file, by its name. */
export function formatOf(path: string): Format {
  if (/\.(jsonl|ndjson)$/i.test(path)) return { read: readJsonLines, jsonAsText: false };
  if (/\.(csv|tsv|tab)$/i.test(path)) return { read: readCsv, jsonAsText: true };
  throw new Failure(`${path} is neither .csv, .tsv nor .jsonl`, "Name it by what it holds.", 2);
}

/**
 * JSON Lines: each line goes to Postgres as it stands, so that no number passes through a double.
 * Empty lines are passed over; a byte order mark and CR before LF are no part of a line.
 */
async function* readJsonLines(
  path: string,
  onBytes: (count: number) => void,
): AsyncGenerator<Line> {
  let line = 0;
  for await (const bytes of splitLines(path, onBytes)) {
    line++;
    const text = decoded(bytes);
    if (text === undefined) {
      yield { line, bad: `it is not UTF-8. ${CONVERT}` };
      continue;
    }
    const document = (line === 1 ? text.replace(/^\uFEFF/, "") : text).trim();
    if (document === "") continue;
    if (!document.startsWith("{")) yield { line, bad: "it is not a JSON object" };
    else if (document.includes("\0")) yield { line, bad: "it contains a NUL byte" };
    else yield { line, document };
  }
}

/**
 * CSV with a header line. As in Postgres' own CSV, an empty field is NULL and "" is an empty text;
 * every other value goes to Postgres as text, which reads it as the column's type. Fields are told
 * apart by what tells the header's apart: a comma, a semicolon (as spreadsheets write it where the
 * comma is a decimal sign) or a tab.
 */
async function* readCsv(path: string, onBytes: (count: number) => void): AsyncGenerator<Line> {
  const skipped: Line[] = [];
  const place = { lines: 1, empty_lines: 0 }; // of what was read last: at first the header
  const startOf = ({ lines, empty_lines }: typeof place): number => {
    const start = place.lines + 1 + empty_lines - place.empty_lines;
    Object.assign(place, { lines, empty_lines });
    return start;
  };
  const parser = parse({
    bom: true,
    delimiter: await delimiterOf(path),
    columns: (header: string[]) => header.map((name) => name.trim()),
    cast: (value, { quoting, header }) => value === "" && !quoting && !header ? null : value,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_record: (record, info) => ({ line: startOf(info), document: JSON.stringify(record) }),
    on_skip: (error) => {
      const at = z.object({ lines: z.int(), empty_lines: z.int() }).parse(error);
      skipped.push({ line: startOf(at), bad: badRecord(error) });
      return undefined;
    },
  });
  const source = Readable.from(chunksOfText(path, onBytes));
  source.on("error", (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const record of parser) {
      yield* skipped.splice(0);
      yield record;
    }
    yield* skipped;
  } finally {
    source.destroy(); // who has read enough leaves no open file behind
  }
}

/** Longer than any line of column names. */
const LONGEST_HEADER = 65_536;

/** What stands between the names of the first line, outside quotes. */
async function delimiterOf(path: string): Promise<string> {
  const file = await Deno.open(path);
  try {
    const bytes = new Uint8Array(LONGEST_HEADER);
    let length = 0;
    while (length < bytes.length) {
      const read = await file.read(bytes.subarray(length));
      if (read === null) break;
      length += read;
    }
    const start = new TextDecoder().decode(bytes.subarray(0, length)).trimStart();
    const header = (start.split(/\r?\n|\r/)[0] ?? "").replaceAll(/"(?:[^"]|"")*"/g, "");
    const found = [",", ";", "\t"].map((sign) => ({ sign, times: header.split(sign).length }));
    return found.reduce((best, one) => one.times > best.times ? one : best).sign;
  } finally {
    file.close();
  }
}

/** Why a record of a CSV file is none, in our words where the parser's are about itself. */
function badRecord(error: unknown): string {
  const uneven = z.object({ record: z.array(z.unknown()), columns: z.array(z.unknown()) });
  const { success, data } = uneven.safeParse(error);
  if (!success) return error instanceof Error ? error.message : "it is not CSV";
  const fields = data.record.length;
  return `it has ${plural(fields, "field")}, the header has ${data.columns.length}`;
}

/** The bytes of a file as they come; the parser would read what is no UTF-8 without a word. */
async function* chunksOfText(
  path: string,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of createReadStream(path)) {
      onBytes(chunk.length);
      decoder.decode(chunk, { stream: true });
      yield chunk;
    }
    decoder.decode();
  } catch (error) {
    throw error instanceof TypeError ? await notText(path) : error;
  }
}

/** Which line it is in: looked for only now, because hardly any file has one. */
async function notText(path: string): Promise<Failure> {
  let line = 0;
  for await (const bytes of splitLines(path, () => {})) {
    line++;
    if (decoded(bytes) === undefined) break;
  }
  return new Failure(`line ${line}: this is not UTF-8`, CONVERT);
}

/** The lines of a file as bytes; only the line being read is in memory. */
async function* splitLines(
  path: string,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = [];
  for await (const chunk of createReadStream(path)) {
    onBytes(chunk.length);
    let from = 0;
    for (let to = chunk.indexOf(10); to >= 0; to = chunk.indexOf(10, from)) {
      yield joined([...rest, chunk.subarray(from, to)]);
      rest = [];
      from = to + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
  }
  if (rest.length > 0) yield joined(rest);
}

function joined(parts: Uint8Array[]): Uint8Array {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined; // the one thing a fatal decoder throws about
  }
}
