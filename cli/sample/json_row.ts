import { Buffer } from "node:buffer";
import { Json, type Row, type Value } from "./life.ts";

/** A row as the JSON object that `json_populate_recordset` reads back unchanged. */
export function jsonRow(row: Row): string {
  const members = Object.entries(row).map(([column, value]) => `"${column}":${jsonValue(value)}`);
  return `{${members.join(",")}}`;
}

function jsonValue(value: Value): string {
  if (value instanceof Json) return value.text;
  if (value instanceof Uint8Array) return `"\\\\x${Buffer.from(value).toString("hex")}"`;
  return JSON.stringify(value);
}
