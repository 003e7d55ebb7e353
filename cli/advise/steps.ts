/** What to do, in which order: for somebody whose database is full, and for everybody afterwards. */
import type { Advice } from "./advice.ts";
import type { Gain } from "./give_back.ts";
import type { Proposals } from "./policies.ts";
import { size } from "../lib/output.ts";

/** One step: what it is for, and what to run. */
export interface Step {
  says: string;
  run: string[];
}

/** The platform makes a database writable again below this part of its capacity. */
const WRITABLE = 0.95;
/** A table that is packed anew needs room for a copy: the smallest first, which gives its own to the next. */
const bySize = (gains: readonly Gain[]) => [...gains].sort((a, b) => a.bytes - b.bytes);

/** What gives room at once, from what costs nothing to what loses something. */
export function whenFull({ server, gains, pins, billed, capacity, full }: Advice): Step[] {
  if (!full) return [];
  const may = gains.filter(({ allowed }) => allowed);
  const indexes = may.filter(({ statement }) => statement.startsWith("drop index"));
  const packs = bySize(may.filter(({ statement }) => statement.startsWith("vacuum full")));
  const rest = may.filter((gain) => !indexes.includes(gain) && !packs.includes(gain));
  const lines = (of: readonly Gain[]) =>
    of.flatMap(({ statement, then }) => [statement, ...(then === null ? [] : [then])]);
  const left = Math.max(billed - may.reduce((sum, { bytes }) => sum + bytes, 0), 0);
  const limit = capacity * WRITABLE;
  return [
    ...(server.read_only
      ? [{
        says:
          "It is read-only. In one session of psql, in which all that follows is run, each by itself:",
        run: ["set session characteristics as transaction read write;"],
      }]
      : []),
    ...step(
      "Have the room of deleted rows let go of:",
      pins.filter(({ keeps }) => keeps === "rows").map(({ statement }) => statement),
    ),
    ...step(
      "Drop indexes that nobody uses; their room is free at once, and one can be made again:",
      lines(indexes),
    ),
    ...step("Empty what nobody needs to keep (what is lost is said above):", lines(rest)),
    ...step(
      "Pack tables anew, the smallest first; nobody reads or writes one meanwhile, and its copy needs room:",
      lines(packs),
    ),
    {
      says: left < limit
        ? `That leaves about ${size(left)}. ${
          server.read_only ? "Below 95 % the platform lets everybody write again; or say so:" : ""
        }`.trim()
        : `That leaves about ${
          size(left)
        }, which is still too much: delete what you can do without, and pack ` +
          "that table as above, or let Strata move rows that are old:",
      run: server.read_only
        ? [
          `alter database "${
            server.database.replaceAll('"', '""')
          }" set default_transaction_read_only = off;`,
        ]
        : [],
    },
  ];
}

const step = (says: string, run: string[]): Step[] => run.length === 0 ? [] : [{ says, run }];

/** The commands that come next. */
export function next(
  { server, settling, full }: Advice,
  { policies }: Proposals,
): Step[] {
  const proposed = policies.map(({ table }) => table);
  const bare = settling.filter(({ table, age, mind }) =>
    proposed.includes(table) && age?.indexed === false &&
    mind.some((says) => says.includes("no index"))
  );
  const indexes = step(
    "An index on the age of large tables, without making writers wait:",
    bare.map(({ table, age }) =>
      `create index concurrently on ${table} ("${age?.column.replaceAll('"', '""')}");`
    ),
  );
  const drain = step(
    "What is oldest leaves ahead of its policy, until core is well below its warning:",
    [
      ...(full ? ["deno task strata drain --dry-run", "deno task strata drain"] : []),
    ],
  );
  if (server.installed) {
    return [
      ...indexes,
      ...step("Strata is here already. New policies (below) count after:", [
        "deno task strata setup --init",
        "deno task strata plan",
      ]),
      ...drain,
    ];
  }
  return [
    ...indexes,
    {
      says:
        "Say where rows may settle; this writes .env and strata.local.yaml, with the policies below:",
      run: ["deno task strata init"],
    },
    {
      says: "Set up, and see what would move before anything does:",
      run: [
        "deno task strata test-links",
        "deno task strata setup --init",
        "deno task strata plan",
      ],
    },
    ...drain,
  ];
}
