/** What is gone, renamed or replaced on a tier stops its dataset alone: all is answered, and the others go on. */
import assert from "node:assert/strict";
import type { Tier } from "../../local/settings.ts";
import {
  driversOf,
  endPauses,
  idsOf,
  makeNotes,
  moveTest,
  runOnce,
  THREE_TIERS,
} from "../support/moves.ts";
import { failedQuestions } from "../support/questions.ts";

/** What its owner does to a table `of.things`, each in a schema of its own. */
const BREAKS: Record<string, string> = {
  table: "drop table of.things",
  renamed_table: "alter table of.things rename to others",
  moved_table: "create schema moved; alter table of.things set schema moved",
  renamed_schema: "alter schema of rename to another",
  schema: "drop schema of cascade",
  age: "alter table of.things drop column created_at",
  renamed_age: "alter table of.things rename column created_at to made_at",
  retyped_age: "alter table of.things alter column created_at type text using 'x'",
  key: "alter table of.things drop constraint things_pkey",
  key_column: "alter table of.things drop column id",
  renamed_key: "alter table of.things rename column id to ident",
  condition: "alter table of.things drop column state cascade",
  retyped_condition: "alter table of.things alter column state type text using 'x'",
  type: "drop type of.mood cascade",
  renamed_type: "alter type of.mood rename to humour",
  view: "alter table of.things rename to base; create view of.things as select * from of.base",
  sequence: "drop table of.things; create sequence of.things",
  other_table: "drop table of.things; create table of.things (x int)",
  right: "revoke all on of.things from postgres; revoke usage on schema of from postgres",
};

const named = (statement: string, schema: string) =>
  statement.replaceAll(/\bof\b/g, `no_${schema}`);

for (const [cell, tier] of (["core", "main", "archive"] as Tier[]).entries()) {
  moveTest(`whatever is gone from ${tier}, all is answered and the others move`, async (chain) => {
    const { core, main } = chain;
    await makeNotes(core);
    for (const schema of Object.keys(BREAKS)) {
      await core.sql.unsafe(named(
        `
        create schema of; create type of.mood as enum ('good', 'bad');
        create table of.things (id text primary key, created_at timestamptz, state boolean default true, mood of.mood);
        insert into of.things select g, now() - case when g > 2 then interval '800 days' else interval '60 days' end
          from generate_series(1, 4) as g;
        select strata.manage('of.things', p_due_when => 'state');
        select strata.hold('of.things', p_condition => 'state and id = ''1''', p_reason => 'a reason')`,
        schema,
      ));
    }
    await runOnce(chain);
    await runOnce(chain);
    for (const [schema, statement] of Object.entries(BREAKS)) {
      await core.sql.unsafe(named(
        "insert into of.things select g, now() - interval '60 days' from generate_series(5, 6) as g",
        schema,
      ));
      await chain[tier].sql.unsafe(named(statement, schema));
    }
    await core.sql`insert into public.notes values (4, now() - interval '60 days')`;
    for (let run = 0; run < 2; run++) {
      await runOnce(chain);
      await endPauses(chain);
    }
    assert.deepEqual(await idsOf(main), [1, 2, 3, 4], "the others have moved");
    const failed = await Promise.all(chain.databases.map(failedQuestions));
    assert.deepEqual(failed.flat(), []);
    for (const { sql } of chain.databases) {
      assert.deepEqual(
        [...await sql`select trouble from strata.links where trouble is not null`],
        [],
      );
      const vague =
        await sql`select name, trouble from strata.datasets where trouble_sqlstate like '22%'`;
      assert.deepEqual([...vague], [], "each says what is missing");
    }
  }, { tiers: THREE_TIERS, drivers: driversOf(cell) });
}
