/** Looks at a database and says what could be done about its size. Changes nothing. */
import { ageColumnOf, ageColumnsOf, type Ages, agesOf, TOLD } from "./ages.ts";
import { bloat, droppable, type Gain, leftovers } from "./give_back.ts";
import { type Needless, needlessIndexes } from "./indexes.ts";
import { type Objection, objectionsTo, platformSchemas, references } from "./objections.ts";
import type { Reader, Unseen } from "./reader.ts";
import {
  type Database,
  databasesOf,
  logBytes,
  type Pin,
  pinsOf,
  type Server,
  serverOf,
  strataOf,
} from "./server.ts";
import { bytesOf, emptyBytes, type Table, tablesOf } from "./tables.ts";
import { Failure } from "../lib/errors.ts";

/** So many tables are asked for the ages of their rows, the largest. */
const ASKED = 60;
const MB = 1024 * 1024;
/** From here on a database is called full: so much of it, or read-only. */
const FULL = 0.9;

/** Who takes room: a table, a schema of the platform, the catalogue, another database. */
export interface Part {
  part: string;
  kind: "table" | "platform" | "strata" | "catalogue" | "database";
  bytes: number;
  rows: number | null;
  heap: number;
  index: number;
  toast: number;
  empty: number;
}

/** A table of the owner's, whether its rows can settle, and what that would free. */
export interface Settling {
  table: string;
  schema: string;
  name: string;
  bytes: number;
  rows: number | null;
  /** It is Strata's already. */
  managed: boolean;
  /** Nothing kept it from being asked for the ages of its rows but its size, which is small. */
  asked: boolean;
  objections: Omit<Objection, "oid">[];
  /** Tables whose rows refer to rows of it. */
  referred_by: string[];
  age: { column: string; because: string; sure: boolean; indexed: boolean } | null;
  ages: Ages | null;
  /** Bytes that would be free when rows older than so many days have left. */
  frees: Record<number, number> | null;
  /** What its owner should know beforehand. */
  mind: string[];
}

/** When the capacity is reached, as far as the ages of rows tell it. */
export interface Growth {
  per_day: number;
  days: number | null;
  /** Tables that tell nothing of when their rows came. */
  without: string[];
}

/** Everything that is to be said of a database. */
export interface Advice {
  server: Server;
  tier: string | null;
  capacity: number;
  billed: number;
  /** Some database could not be asked: the sum is more. */
  billed_is_all: boolean;
  full: boolean;
  databases: Database[];
  log: number | null;
  pins: Pin[];
  parts: Part[];
  settling: Settling[];
  /** Tables too small to have been asked for the ages of their rows. */
  not_asked: number;
  indexes: Needless[];
  gains: Gain[];
  growth: Growth;
  unseen: Unseen[];
}

/** Looks at everything. */
export async function advice(reader: Reader, capacity: number): Promise<Advice> {
  const server = await serverOf(reader);
  if (server === undefined) {
    throw new Failure(
      `The server cannot be asked who it is: ${reader.unseen[0]?.why ?? "it says nothing"}`,
    );
  }
  const strata = server.installed ? await strataOf(reader) : { tier: null, managed: [] };
  const databases = await databasesOf(reader);
  const tables = (await tablesOf(reader)).sort((a, b) => bytesOf(b) - bytesOf(a));
  const platform = platformSchemas(server);
  const own = tables.filter(({ schema }) => !platform.includes(schema));
  const empty = await emptyBytes(reader, tables);
  const settling = await settlingOf(reader, server, own, empty, strata.managed);
  const byAge = new Map(settling.told.map(({ table, age }) => [table, age?.column ?? ""]));
  const indexes = await needlessIndexes(reader, platform, byAge);
  const billed = databases.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  const gains = [
    ...droppable(indexes, server.counted_days),
    ...await leftovers(reader, tables),
    ...bloat(own, empty),
  ].sort((a, b) => b.bytes - a.bytes);
  return {
    server,
    tier: strata.tier,
    capacity,
    billed,
    billed_is_all: databases.every(({ bytes }) => bytes !== null),
    full: server.read_only || billed >= capacity * FULL,
    databases,
    log: await logBytes(reader),
    pins: await pinsOf(reader),
    parts: partsOf(tables, databases, empty, platform),
    settling: settling.told,
    not_asked: settling.notAsked,
    indexes,
    gains,
    growth: growthOf(own, settling.told, capacity - billed),
    unseen: reader.unseen,
  };
}

function partsOf(
  tables: readonly Table[],
  databases: readonly Database[],
  empty: ReadonlyMap<number, number>,
  platform: readonly string[],
): Part[] {
  const ofSchema = Map.groupBy(
    tables,
    (table) => platform.includes(table.schema) ? `schema ${table.schema}` : table.shown,
  );
  const parts: Part[] = [...ofSchema].map(([part, of]) => {
    const sum = (read: (table: Table) => number) => of.reduce((all, one) => all + read(one), 0);
    const isPlatform = platform.includes(of[0]?.schema ?? "");
    return {
      part,
      kind: !isPlatform ? "table" : of[0]?.schema === "strata" ? "strata" : "platform",
      bytes: sum(bytesOf),
      rows: isPlatform ? null : of[0]?.rows ?? null,
      heap: sum(({ heap }) => heap),
      index: sum(({ index }) => index),
      toast: sum(({ toast }) => toast),
      empty: sum(({ oid }) => empty.get(oid) ?? 0),
    };
  });
  const whole = { rows: null, heap: 0, index: 0, toast: 0, empty: 0 };
  const others = databases.filter(({ current }) => !current);
  const here = databases.find(({ current }) => current)?.bytes ?? null;
  const inTables = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    ...parts,
    ...(here === null ? [] : [{
      part: "Postgres itself",
      kind: "catalogue" as const,
      bytes: Math.max(here - inTables, 0),
      ...whole,
    }]),
    ...others.map(({ name, bytes }) => ({
      part: `database ${name}`,
      kind: "database" as const,
      bytes: bytes ?? 0,
      ...whole,
    })),
  ].sort((a, b) => b.bytes - a.bytes);
}

async function settlingOf(
  reader: Reader,
  server: Server,
  own: readonly Table[],
  empty: ReadonlyMap<number, number>,
  managed: readonly string[],
): Promise<{ told: Settling[]; notAsked: number }> {
  const tables = own.filter(({ kind, partition }) => kind !== "f" && !partition);
  const free = tables.filter(({ held }) => !held);
  const objections = await objectionsTo(reader, server, free);
  const columns = await ageColumnsOf(reader, free);
  const pointing = await references(reader);
  const told: Settling[] = [];
  let asked = 0;
  for (const table of tables) {
    const against = objections.filter(({ oid }) => oid === table.oid)
      .map(({ oid: _, ...objection }) => objection);
    const age = ageColumnOf(columns, table);
    const mayAsk = age !== undefined && table.kind === "r" && asked < ASKED;
    if (mayAsk) asked++;
    const ages = mayAsk ? await agesOf(reader, table, age.column) : undefined;
    told.push({
      table: table.shown,
      schema: table.schema,
      name: table.name,
      bytes: table.kind === "p" ? bytesBelow(own, table.oid) : bytesOf(table),
      rows: ages?.rows ?? table.rows,
      managed: managed.includes(table.shown),
      asked: mayAsk || age === undefined || table.kind !== "r",
      objections: age === undefined && table.kind === "r" && !table.held
        ? [...against, noAge(table)]
        : against,
      referred_by: pointing.filter(({ to }) => to === table.oid).map(({ from }) => from),
      age: age === undefined ? null : {
        column: age.column.name,
        because: age.because,
        sure: age.sure,
        indexed: age.column.indexed,
      },
      ages: ages ?? null,
      frees: ages === undefined ? null : freesOf(table, ages, empty.get(table.oid) ?? 0),
      mind: mindOf(table, age?.column.indexed ?? true),
    });
  }
  const hasAge = tables.filter((table) => table.kind === "r" && ageColumnOf(columns, table));
  return { told, notAsked: Math.max(hasAge.length - ASKED, 0) };
}

/** A partitioned table holds nothing itself. */
function bytesBelow(tables: readonly Table[], parent: number): number {
  return tables.filter((table) => table.parent === parent)
    .reduce((sum, table) => sum + bytesOf(table) + bytesBelow(tables, table.oid), 0);
}

const noAge = ({ shown }: Table) => ({
  code: "ST010",
  says: `${shown} has no column to tell a row's age by`,
  remedy: "Add one, and let new rows fill it: " +
    `alter table ${shown} add column created_at timestamptz not null default now(); ` +
    "(every row that is there is as old as that statement then)",
});

/** Each row takes its part of what is not empty. */
function freesOf(table: Table, { rows, older }: Ages, empty: number): Record<number, number> {
  const filled = Math.max(bytesOf(table) - empty, 0);
  return Object.fromEntries(
    TOLD.map((days) => [days, rows === 0 ? 0 : Math.round(filled * (older[days] ?? 0) / rows)]),
  );
}

/** Fewer updates than this are corrections by hand; a smaller table is indexed in a moment. */
const OFTEN = 50;
const INDEXED_AT_ONCE = 16 * MB;

function mindOf({ updated, inserted, heap }: Table, indexed: boolean): string[] {
  return [
    ...(updated >= OFTEN && updated >= inserted / 10
      ? [
        "its rows are written again: an upsert on a row that has settled starts it anew (docs/guide/writing.md)",
      ]
      : []),
    ...(!indexed && heap > INDEXED_AT_ONCE
      ? [
        "its age column has no index: make it concurrently before, or writers wait while setup does",
      ]
      : []),
  ];
}

const DAYS_OF_PACE = 90;

/** The pace of the last three months, less what its owner deletes. */
function growthOf(own: readonly Table[], told: readonly Settling[], room: number): Growth {
  let perDay = 0;
  const without: string[] = [];
  for (const one of told) {
    const table = own.find(({ shown }) => shown === one.table);
    if (table === undefined || one.bytes < MB) continue;
    if (one.ages === null || one.ages.rows === 0) {
      if (one.ages === null && one.asked) without.push(one.table);
      continue;
    }
    const { months, rows, oldest_days } = one.ages;
    const came = months.slice(0, 3).reduce((sum, n) => sum + n, 0);
    const days = Math.min(Math.max(oldest_days ?? DAYS_OF_PACE, 1), DAYS_OF_PACE);
    const stays = table.inserted === 0 ? 1 : Math.max(1 - table.deleted / table.inserted, 0);
    perDay += came / days * (one.bytes / rows) * stays;
  }
  const days = perDay < 1024 ? null : Math.max(Math.round(room / perDay), 0);
  return { per_day: Math.round(perDay), days, without };
}
