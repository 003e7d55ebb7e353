import assert from "node:assert/strict";
import type { Sql } from "postgres";
import {
  assertAtPeace,
  moveTest,
  rowsOf,
  rowsOfChain,
  settle,
  startJourney,
} from "../support/moves.ts";

/** Tables by what their key is made of; every row of them is due. */
const KEYS: Record<string, { columns: string; values: string[] }> = {
  "an identity that only Postgres gives": {
    columns: "id bigint generated always as identity (start 9007199254740993) primary key",
    values: ["default", "default", "default"],
  },
  "a text": {
    columns: "id text primary key",
    values: [
      "''",
      "' '",
      "'{NULL,\"}'",
      "'NULL'",
      "'a''b'",
      "'a\\b'",
      "E'a\\nb'",
      "'a,b'",
      "'👩‍👧'",
      "'$$'",
    ],
  },
  "a text and a number": {
    columns: "a text, b integer, primary key (b, a)",
    values: ["'x', 1", "'x', 2", "'y', 1", "'', 1", "'1', 11", "'11', 1"],
  },
  "a moment": {
    columns: "id timestamptz primary key",
    values: ["'infinity'", "'2024-02-29 00:00:00.000001+05:45'", "'0001-01-01 BC'"],
  },
  "characters of fixed width": {
    columns: "id char(4) primary key",
    values: ["'a'", "'b  '", "'abcd'", "''"],
  },
  "a number of any length": {
    columns: "id numeric primary key",
    values: ["1.0", "1.50", "1e100", "'NaN'"],
  },
  "a date and a uuid, in columns of odd names": {
    columns: '"the ""day""" date, "Id" uuid, primary key ("Id", "the ""day""")',
    values: ["'2024-02-03', gen_random_uuid()", "'infinity', gen_random_uuid()"],
  },
};

async function makeKeyed(sql: Sql, columns: string, values: string[]): Promise<void> {
  await sql.unsafe(`create table public.keyed (${columns},
    created_at timestamptz default now() - interval '90 days', body text default 'as it was')`);
  for (const value of values) {
    await sql.unsafe(`insert into public.keyed values (${value})`);
  }
  await sql`select strata.manage('public.keyed')`;
}

for (const [key, { columns, values }] of Object.entries(KEYS)) {
  moveTest(
    `rows whose key is ${key} move, and come back when their owner keeps one`,
    async (chain) => {
      const { core, main } = chain;
      await makeKeyed(core.sql, columns, values);
      const journey = await startJourney(chain, { dataset: "keyed" });
      await journey.until("purge");
      assert.equal((await rowsOf(main, "public.keyed")).length, values.length);
      await core.sql`update public.keyed set body = 'edited' where ctid = '(0,2)'`;
      const rows = await rowsOf(core, "public.keyed");

      await journey.until("finish");
      assert.equal((await rowsOf(core, "public.keyed")).length, 1);
      assert.equal((await rowsOf(main, "public.keyed")).length, values.length - 1);
      await settle(chain);

      assert.deepEqual(await rowsOf(main, "public.keyed"), rows);
      assert.deepEqual(await rowsOfChain(chain, "public.keyed"), rows);
      await assertAtPeace(chain);
    },
  );
}
