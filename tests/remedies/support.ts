/** Making a trouble, reading what a person is told to do about it, doing that to the letter. */
import assert from "node:assert/strict";
import { type TestChain, testChain } from "../support/chain.ts";
import { addNote, manageNotes, settle } from "../support/notes.ts";

/** One trouble: how it comes about, and how its remedy is followed. */
export interface Case {
  /** The kind of the alert; errors of datasets and rows come as one of few kinds. */
  kind: string;
  /** Makes the trouble in a chain in which notes have settled. */
  make(chain: TestChain): Promise<unknown>;
  /** On which tier the statement of the remedy is to be run; undefined: the remedy has none. */
  on?: "core" | "main";
  /** What stands for each … of the statement, in turn: what the message names. */
  fill?: string[];
  /** What the remedy has a person do besides, or instead; of what is said it may need the words. */
  act?(chain: TestChain, told: Told): Promise<unknown>;
}

/** What a tier says is wrong of one kind. */
export interface Told {
  kind: string;
  says: string;
  remedy: string;
}

/** A core and a main between which notes settle: 1 to 3 have. */
export async function settledChain(): Promise<TestChain> {
  const chain = await testChain({ tiers: ["core", "main"] });
  await manageNotes(chain.core.sql, { core_retention_days: 0, delete_after_days: null });
  await addNotes(chain, 1, 2, 3);
  await settle(chain);
  return chain;
}

/** Notes that are due now. */
export async function addNotes({ core }: TestChain, ...ids: number[]): Promise<void> {
  for (const id of ids) await addNote(core.sql, id, "2020-01-01", "a note");
}

/** What cron does within a quarter of an hour, on every tier. */
export async function watch(chain: TestChain): Promise<void> {
  for (const { sql } of [...chain.databases, ...chain.databases].toReversed()) {
    await sql`call strata.watch()`;
    await sql`call strata.watchdog()`;
  }
}

/** Everything that is wrong on any tier, as it says itself. */
export async function wrong(chain: TestChain): Promise<Told[]> {
  const found = await Promise.all(
    chain.databases.map(({ sql }) =>
      sql<Told[]>`
        select kind, says, remedy from strata.what_is_wrong()
         where severity <> 'info' and heard_from is null and kind not like 'size%'`
    ),
  );
  return found.flat();
}

/** `deno task strata sync`. */
export async function sync(chain: TestChain): Promise<void> {
  for (const { sql } of chain.databases) await sql`select strata.end_pauses()`;
  await settle(chain);
}

/** The statements a remedy prints, with what the message names in their gaps. */
export function statementsOf(remedy: string, fill: readonly string[] = []): string[] {
  const gaps = [...fill];
  return [...remedy.matchAll(/\b(?:select|alter|grant|update|delete) [^;]*;/g)].map(([one]) =>
    one.replaceAll("…", () => gaps.shift() ?? "…")
  );
}

/** Makes a trouble, follows its remedy to the letter, and sees that nothing is wrong by the next watch. */
export async function follow(one: Case, expected?: RegExp): Promise<void> {
  await using chain = await settledChain();
  await one.make(chain);
  await settle(chain);
  await sync(chain); // what was agreed about the twin is agreed anew first
  await watch(chain);
  const told = (await wrong(chain)).find(({ kind, says }) =>
    kind === one.kind && (expected === undefined || expected.test(says))
  );
  assert.ok(told !== undefined, `${one.kind}: ${JSON.stringify(await wrong(chain))}`);
  if (one.on !== undefined) {
    const [statement] = statementsOf(told.remedy, one.fill);
    assert.ok(statement !== undefined && !statement.includes("…"), told.remedy);
    await chain[one.on].sql.unsafe(statement);
  }
  await one.act?.(chain, told);
  await sync(chain);
  await watch(chain);
  assert.deepEqual(await wrong(chain), [], told.remedy);
  const open = await Promise.all(
    chain.databases.map(({ sql }) =>
      sql`select kind, says from strata.alerts where cleared_at is null and kind not like 'size%'`
    ),
  );
  assert.deepEqual(open.flat(), []);
}
