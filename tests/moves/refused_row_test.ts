import assert from "node:assert/strict";
import type { TestDatabase } from "../support/database.ts";
import {
  addNotes,
  assertAtPeace,
  endPauses,
  makeNotes,
  moveTest,
  rowsOf,
  rowsOfChain,
  runOnce,
  setAsideOn,
  settle,
} from "../support/moves.ts";

/** Something on main that keeps row 2, and no other, from coming in. */
interface Obstacle {
  lay(main: TestDatabase): Promise<unknown>;
  clear(main: TestDatabase): Promise<unknown>;
  code: string;
  says: RegExp;
  remedy: RegExp;
}

function trigger(body: string) {
  return async ({ sql }: TestDatabase) => {
    await sql.unsafe(`create function public.meddle() returns trigger language plpgsql as
      $$ begin if new.id = 2 then ${body} end if; return new; end $$`);
    await sql`create trigger meddle before insert on public.notes
      for each row execute function public.meddle()`;
  };
}
const dropTrigger = ({ sql }: TestDatabase) => sql`drop trigger meddle on public.notes`;

const CONSTRAINT_REMEDY =
  /^on the colder tier, .*: alter table public\.notes drop constraint …; or mend the row here; then run/;

const OBSTACLES: Record<string, Obstacle> = {
  "a check constraint": {
    lay: ({ sql }) => sql`alter table public.notes add constraint not_two check (id <> 2)`,
    clear: ({ sql }) => sql`alter table public.notes drop constraint not_two`,
    code: "23514",
    says: /^main refuses the row: .*violates check constraint "not_two"/,
    remedy: CONSTRAINT_REMEDY,
  },
  "a unique index": {
    async lay({ sql }) {
      await sql`create unique index one_body on public.notes (body)`;
      await sql`insert into public.notes values (900, now(), 'note 2')`;
    },
    clear: ({ sql }) => sql`delete from public.notes where id = 900`,
    code: "23505",
    says: /^main refuses the row: duplicate key value violates unique constraint "one_body"/,
    remedy: CONSTRAINT_REMEDY,
  },
  "a trigger that alters it": {
    lay: trigger("new.body := upper(new.body);"),
    clear: dropTrigger,
    code: "ST042",
    says: /^main refuses the row: a trigger on main changes or drops rows/,
    remedy: /drop or guard that trigger/,
  },
  "a trigger that drops it": {
    lay: trigger("return null;"),
    clear: dropTrigger,
    code: "ST042",
    says: /^main refuses the row: a trigger on main changes or drops rows/,
    remedy: /drop or guard that trigger/,
  },
  "a trigger that raises an error": {
    lay: trigger("raise exception 'not this one';"),
    clear: dropTrigger,
    code: "P0001",
    says: /^main refuses the row: not this one$/,
    remedy: /guard the trigger \(.*\), or mend the row; then run `deno task strata sync`$/,
  },
  "another row under its key": {
    lay: ({ sql }) => sql`insert into public.notes values (2, now(), 'main was first')`,
    clear: ({ sql }) => sql`delete from public.notes where id = 2`,
    code: "ST040",
    says: /^main holds another row under this key$/,
    remedy: /nothing was overwritten/,
  },
};

for (const [name, obstacle] of Object.entries(OBSTACLES)) {
  moveTest(`a row that meets ${name} is set aside, and the others move`, async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await addNotes(core.sql, 1, 3);
    const rows = await rowsOf(core);
    await obstacle.lay(main);
    const before = await rowsOf(main);

    await runOnce(chain);
    await runOnce(chain); // its pause is not over

    const [aside, ...more] = await setAsideOn(core);
    assert.deepEqual([aside?.key, aside?.code, more], ["2", obstacle.code, []]);
    assert.match(aside?.says ?? "", obstacle.says);
    assert.match(aside?.remedy ?? "", obstacle.remedy);
    assert.deepEqual(await rowsOf(core), rows.filter((row) => row.includes('"id": 2')));
    const others = rows.filter((row) => !row.includes('"id": 2'));
    assert.deepEqual(await rowsOf(main), [...before, ...others].sort());

    await obstacle.clear(main);
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual(await rowsOf(main), rows);
    assert.deepEqual(await rowsOfChain(chain), rows);
    await assertAtPeace(chain);
  });
}

moveTest(
  "a row that is on main already, and identical, leaves core and is there once",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await addNotes(core.sql, 1, 3);
    const rows = await rowsOf(core);
    const [second] = await core.sql`select created_at::text from public.notes where id = 2`;
    await main
      .sql`insert into public.notes values (2, ${second?.created_at}::text::timestamptz, 'note 2')`;

    await settle(chain);

    assert.deepEqual(await rowsOf(main), rows);
    assert.deepEqual(await rowsOfChain(chain), rows);
    await assertAtPeace(chain);
  },
);

moveTest("a row that fails again and again is tried at growing intervals", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core, 0);
  await settle(chain);
  await addNotes(core.sql, 2, 2);
  await main.sql`alter table public.notes add constraint not_two check (id <> 2)`;
  const pauses: number[] = [];
  for (let attempt = 1; attempt <= 4; attempt++) {
    await runOnce(chain);
    const [aside] = await core.sql`
      select attempts, (extract(epoch from next_try_at - last_at) / 60)::integer as minutes
        from strata.set_aside`;
    assert.equal(aside?.attempts, attempt);
    pauses.push(aside?.minutes);
    await endPauses(chain);
  }
  assert.deepEqual(pauses, [15, 30, 60, 120]);
});
