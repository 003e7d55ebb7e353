import { Buffer } from "node:buffer";
import type { Row, Value } from "./life.ts";

/** One row as a line of `copy … from stdin` in text format. */
export function copyLine(row: Row): string {
  return Object.values(row).map(field).join("\t") + "\n";
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\\", "\\\\"],
  ["\t", "\\t"],
  ["\n", "\\n"],
  ["\r", "\\r"],
]);

function field(value: Value): string {
  if (value === null) return "\\N";
  return literal(value).replace(/[\\\t\n\r]/g, (character) => ESCAPES.get(character) ?? character);
}

function literal(value: NonNullable<Value>): string {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) {
    return "\\x" + Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex");
  }
  if (typeof value === "object") return `{${value.map(element).join(",")}}`;
  return String(value);
}

function element(value: string | number): string {
  return typeof value === "number" ? String(value) : `"${value.replace(/["\\]/g, "\\$&")}"`;
}
