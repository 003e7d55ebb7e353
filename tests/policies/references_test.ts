import { assertEquals } from "@std/assert";
import { testChain } from "../support/chain.ts";
import { idsOn, manage, settle } from "../support/notes.ts";

const AT_ONCE = { core_retention_days: 0 };

/** A core with table `parts`, due at once, and whatever refers to it. */
async function chainWithParts(references: string) {
  const chain = await testChain({ tiers: ["core", "main"] });
  await chain.core.sql.unsafe(`
    create table public.parts (
      id int primary key, created_at date default '2000-01-01', a int, b int, parent int,
      unique (a, b));
    insert into public.parts (id, a, b) values (1, 1, 1), (2, 2, 2);
    ${references}`);
  await manage(chain.core.sql, "public.parts", AT_ONCE);
  return chain;
}

const REFERENCES: [string, string][] = [
  [
    "an unmanaged table",
    `create table public.uses (part int references public.parts);
     insert into public.uses values (1)`,
  ],
  [
    "a table in another schema, by more than one column that is no primary key",
    `create schema lib; create table lib.uses (x int, y int,
       foreign key (x, y) references public.parts (a, b));
     insert into lib.uses values (1, 1), (2, null)`,
  ],
  [
    "a partitioned table",
    `create table public.uses (part int references public.parts) partition by list (part);
     create table public.uses_1 partition of public.uses for values in (1);
     insert into public.uses values (1)`,
  ],
  [
    "a key that would be set to null",
    `create table public.uses (part int references public.parts on delete set null);
     insert into public.uses values (1)`,
  ],
  [
    "another row of the same table, which stays itself",
    `alter table public.parts add foreign key (parent) references public.parts;
     insert into public.parts (id, created_at, parent) values (3, '2999-01-01', 1)`,
  ],
];

for (const [what, sql] of REFERENCES) {
  Deno.test(`a row that ${what} refers to is not due`, async () => {
    await using chain = await chainWithParts(sql);
    await settle(chain);
    assertEquals((await idsOn(chain.core.sql, "public.parts")).includes(1), true);
    assertEquals(await idsOn(chain.main.sql, "public.parts"), [2]);
    const [plan] = await chain.core.sql`select rows_now, referenced from strata.plan('parts')`;
    assertEquals(plan, { rows_now: "0", referenced: "1" });
  });
}

Deno.test("a row that refers to itself is kept by nobody", async () => {
  await using chain = await chainWithParts(`
    alter table public.parts add foreign key (parent) references public.parts;
    update public.parts set parent = id where id = 1`);
  await settle(chain);
  assertEquals(await idsOn(chain.main.sql, "public.parts"), [1, 2]);
});

Deno.test("children move first, their parents with a later run", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core, main } = chain;
  await core.sql.unsafe(`
    create table public.a_parents (id int primary key, created_at date);
    create table public.b_children (id int primary key, created_at date,
      parent int references public.a_parents);
    insert into public.a_parents values (1, '2000-01-01');
    insert into public.b_children values (1, '2000-01-01', 1)`);
  await manage(core.sql, "public.a_parents", AT_ONCE);
  await manage(core.sql, "public.b_children", AT_ONCE);
  await settle(chain);
  await settle(chain);
  assertEquals(await idsOn(main.sql, "public.a_parents"), [1]);
  assertEquals(await idsOn(main.sql, "public.b_children"), [1]);
});
