/** Names of tables, as SQL reads them. */

/** A table by its names as they are stored. */
export interface TableName {
  schema: string;
  table: string;
}

const PART = /"(?:[^"]|"")+"|[^".]+/.source;
const NAME = new RegExp(`^(?:(${PART})\\.)?(${PART})$`, "s");

/** A name with or without its schema, folded and unquoted as SQL does it; undefined when it is none. */
export function readTableName(text: string): TableName | undefined {
  const [, schema = "public", table] = NAME.exec(text) ?? [];
  return table === undefined ? undefined : { schema: stored(schema), table: stored(table) };
}

/** Whether two names mean the same table. */
export function isSameTable(one: string, other: string): boolean {
  const [a, b] = [readTableName(one), readTableName(other)];
  return a !== undefined && a.schema === b?.schema && a.table === b.table;
}

/** A name as SQL has it to be written. */
export function quoted(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function stored(part: string): string {
  return part.startsWith('"')
    ? part.slice(1, -1).replaceAll('""', '"')
    : part.trim().replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
