/** Passwords and keys on their way into a database, past everything its server may log. */
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Sql, TransactionSql } from "postgres";

/**
 * Hands a value over to this session: the next statement gets it, once, as `strata.take_over(name)`.
 * A server that logs statements logs their parameters as well, but not what COPY reads.
 */
export async function handOver(sql: TransactionSql, name: string, value: string): Promise<void> {
  const sink = await sql`copy strata.handed (name, value) from stdin (format binary)`.writable();
  await pipeline(Readable.from([binaryRow([name, value])]), sink);
}

/** Puts a secret into the database's Vault; false where it has none. */
export async function setSecret(sql: Sql, name: string, secret: string): Promise<boolean> {
  return await sql.begin(async (session) => {
    await handOver(session, "secret", secret);
    const [row] = await session<{ done: boolean }[]>`
      select strata.set_secret(p_name => ${name}, p_secret => strata.take_over('secret')) as done`;
    return row?.done === true;
  });
}

/** One row as COPY reads it in its binary format. */
function binaryRow(values: readonly string[]): Buffer {
  const numbers = (size: 2 | 4, value: number) => {
    const bytes = Buffer.alloc(size);
    if (size === 2) bytes.writeInt16BE(value);
    else bytes.writeInt32BE(value);
    return bytes;
  };
  const fields = values.map((value) => Buffer.from(value, "utf8"));
  return Buffer.concat([
    Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"),
    numbers(4, 0), // no flags
    numbers(4, 0), // no extension of the header
    numbers(2, fields.length),
    ...fields.flatMap((field) => [numbers(4, field.length), field]),
    numbers(2, -1),
  ]);
}
