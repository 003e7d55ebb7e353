import postgres, { type Sql } from "postgres";
import type { Link } from "../../support/chain.ts";
import type { Journal, Place } from "./journal.ts";
import type { Seeded } from "./seeded.ts";

/** The table that lives: what is compared is every value of it. */
export const TABLE = `create table public.notes (
  id bigint primary key, created_at timestamptz, body text, amount numeric, tags jsonb)`;

/** A row as text, alike in the journal and in the database. */
export const ROW_TEXT =
  `concat_ws('|', extract(epoch from created_at)::bigint, body, amount, tags)`;

/** Larger rows go on from main at once, also those without an age. */
export const SIZE_LIMIT_KB = 10;

/** Ages in days, where rows of that age belong, and how many of them there are. */
const AGES: [{ days: number; place: Place }, number][] = [
  [{ days: 1, place: "core" }, 3],
  [{ days: 60, place: "main" }, 5],
  [{ days: 500, place: "archive" }, 3],
  [{ days: 3000, place: "gone" }, 1],
];

interface Row {
  /** In seconds; null for none. */
  created: number | null;
  body: string;
  amount: string;
  tags: { n: number };
}

const textOf = ({ created, body, amount, tags }: Row) =>
  `${created === null ? "" : `${created}|`}${body}|${amount}|{"n": ${tags.n}}`;

const isLarge = ({ body }: Row) => body.length > SIZE_LIMIT_KB * 1024;

function makeRow(random: Seeded, days: number | null, large = random.next() < 0.02): Row {
  const length = large ? 20_000 : 60; // large ones are stored out of line
  return {
    created: days === null ? null : Math.floor(Date.now() / 1000) - days * 86_400,
    body: random.next().toString(36).repeat(Math.ceil(length / 10)),
    amount: `${random.between(-99, 99)}.${random.between(10, 99)}0`,
    tags: { n: random.between(0, 1_000_000) },
  };
}

/** Whether an error says for certain that the statement did nothing. */
function isRefusal(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.severity === "ERROR";
}

/** Somebody who uses a tier, one statement after the other, and writes down what he did. */
export class Writer {
  readonly #random: Seeded;
  readonly #journal: Journal;
  readonly #sql: Sql;
  readonly #kind: "dated" | "ageless";
  #stops = false;
  /** What a reader saw that is not in the journal. */
  readonly surprises: string[] = [];

  /** `ageless`: writes on main, where large rows go on although they have no age. */
  constructor(tier: Link, journal: Journal, random: Seeded, kind: "dated" | "ageless") {
    this.#journal = journal;
    this.#random = random;
    this.#kind = kind;
    const connection = { application_name: "writer", lock_timeout: 5_000 };
    this.#sql = postgres(tier.url, { max: 1, connection, onnotice: () => {}, connect_timeout: 2 });
  }

  /** Works until it is stopped. Rows are shared out by id, so that each has one writer. */
  async work(share: { of: number; mine: number }): Promise<void> {
    while (!this.#stops) {
      const mine = this.#journal.known().filter((id) => id % share.of === share.mine);
      const id = mine[this.#random.between(0, Math.max(0, mine.length - 1))];
      const what = this.#random.weighted<"insert" | "update" | "delete" | "read">(
        [["insert", 5], ["update", 3], ["delete", 2], ["read", 2]],
      );
      if (id === undefined || what === "insert") await this.#insert(share);
      else if (what === "read") await this.#read(id);
      else await this.#change(id, what);
    }
  }

  async stop(): Promise<void> {
    this.#stops = true;
    await this.#sql.end({ timeout: 2 });
  }

  async #insert({ of, mine }: { of: number; mine: number }): Promise<void> {
    let id = this.#journal.newId();
    while (id % of !== mine) id = this.#journal.newId();
    const { row, place } = this.#newRow();
    this.#journal.attempt(id, textOf(row), place);
    await this.#settle(id, () =>
      this.#sql`
        insert into public.notes (id, created_at, body, amount, tags)
        values (${id}, to_timestamp(${row.created}), ${row.body}, ${row.amount}, ${
        this.#sql.json(row.tags)
      }) returning id`);
  }

  #newRow(): { row: Row; place: Place } {
    if (this.#kind === "ageless") {
      return { row: makeRow(this.#random, null, true), place: "archive" };
    }
    const { days, place } = this.#random.weighted(AGES);
    const row = makeRow(this.#random, days);
    return { row, place: place === "main" && isLarge(row) ? "archive" : place };
  }

  /** What is large stays large: where a row belongs does not change. */
  async #change(id: number, what: "update" | "delete"): Promise<void> {
    const text = this.#journal.textOf(id) ?? "";
    const created = this.#kind === "ageless" ? null : Number(text.split("|")[0]);
    const row = { ...makeRow(this.#random, null, text.length > SIZE_LIMIT_KB * 1024), created };
    this.#journal.attempt(id, what === "update" ? textOf(row) : undefined);
    await this.#settle(
      id,
      () =>
        what === "delete"
          ? this.#sql`delete from public.notes where id = ${id} returning id`
          : this.#sql`
        update public.notes
           set body = ${row.body}, amount = ${row.amount}, tags = ${this.#sql.json(row.tags)}
         where id = ${id} returning id`,
    );
  }

  /** No row touched is an answer, too: it has left this tier. */
  async #settle(id: number, statement: () => Promise<readonly unknown[]>): Promise<void> {
    try {
      this.#journal.settle(id, (await statement()).length > 0);
    } catch (error) {
      if (isRefusal(error)) this.#journal.settle(id, false);
      await pause(20);
    }
  }

  async #read(id: number): Promise<void> {
    try {
      const [row] = await this.#sql<{ text: string }[]>`
        select ${this.#sql.unsafe(ROW_TEXT)} as text from public.notes where id = ${id}`;
      if (row !== undefined && this.#journal.isKnown(id) && row.text !== this.#journal.textOf(id)) {
        this.surprises.push(`row ${id} read ${row.text}, written ${this.#journal.textOf(id)}`);
      }
    } catch {
      await pause(20);
    }
  }
}

/** Somebody whose server is gone tries again a little later. */
function pause(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}
