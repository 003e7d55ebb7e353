import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { REPOSITORY } from "../../local/settings.ts";
import { assertAtPeace, moveTest, settle, THREE_TIERS } from "../support/moves.ts";

const FILE = `${REPOSITORY}/../shared/data/journal.jsonl`;
const LINES = await Deno.readTextFile(FILE).then((text) => text.trimEnd().split("\n"), () => []);
if (LINES.length === 0) console.log(`There is no ${FILE}: the test on real input is left out.`);

/** The day on which the test takes place, and where each entry must be then. */
const NOW = "2026-08-25T00:00:00Z";
const TIERS_BY_AGE = { core: 7, main: 365, archive: 1825 };

/** An entry as it was written: everything that the file says of it, as text. */
interface Entry {
  id: string;
  created_at: string;
  content: string;
  tags: string;
}

/** What the file says, told by Postgres: one text per value. */
async function entriesOfFile(sql: Sql): Promise<Entry[]> {
  return await sql<Entry[]>`
    select (l ->> 'id')::uuid::text as id, ((l ->> 'created_at')::timestamptz at time zone 'UTC')::text as created_at,
           l ->> 'content' as content, array(select jsonb_array_elements_text(l -> 'tags'))::text as tags
      from unnest(${LINES}::text[]) as line cross join lateral (select line::jsonb as l) as j order by id`;
}

async function entriesOf(sql: Sql): Promise<Entry[]> {
  return await sql<Entry[]>`
    select id::text, (created_at at time zone 'UTC')::text as created_at, content, tags::text
      from public.journal_entries order by id`;
}

function tierAt({ created_at }: Entry): keyof typeof TIERS_BY_AGE | "nowhere" {
  const days = (Date.parse(NOW) - Date.parse(`${created_at.replace(" ", "T")}Z`)) / 86_400_000;
  if (days < TIERS_BY_AGE.core) return "core";
  if (days < TIERS_BY_AGE.main) return "main";
  return days < TIERS_BY_AGE.archive ? "archive" : "nowhere";
}

if (LINES.length > 0) {
  moveTest(
    "a real journal settles: every entry is in its rightful tier, letter by letter",
    async (chain) => {
      const { core, archive } = chain;
      await chain.freezeClock(NOW);
      await core.sql`
      insert into public.journal_entries (id, created_at, content, tags)
      select (l ->> 'id')::uuid, (l ->> 'created_at')::timestamptz, l ->> 'content',
             array(select jsonb_array_elements_text(l -> 'tags'))
        from unnest(${LINES}::text[]) as line cross join lateral (select line::jsonb as l) as j`;
      const written = await entriesOfFile(core.sql);
      assert.equal(written.length, LINES.length);
      await core.sql`select strata.manage('public.journal_entries', p_core_retention_days => 7,
      p_main_retention_days => 365, p_delete_after_days => 1825)`;

      await settle(chain);
      await archive.sql`call strata.delete_due()`;

      const rightful = Map.groupBy(written, tierAt);
      for (const { sql, tier } of chain.databases) {
        assert.deepEqual([...await entriesOf(sql)], rightful.get(tier) ?? [], tier);
      }
      const [log] = await archive.sql`
      select sum(rows_moved)::integer as deleted from strata.moves where kind = 'delete'`;
      assert.equal(log?.deleted ?? 0, rightful.get("nowhere")?.length ?? 0);
      await assertAtPeace(chain);
    },
    { tiers: THREE_TIERS },
  );
}
