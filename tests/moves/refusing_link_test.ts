import assert from "node:assert/strict";
import { moverPassword } from "../support/stack.ts";
import { scramVerifier } from "../../cli/lib/scram.ts";
import {
  assertAtPeace,
  DIALLING,
  endPauses,
  endsOfLink,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  rowsOf,
  runInNewSessions,
  settle,
  THREE_TIERS,
} from "../support/moves.ts";

/** What `strata.status()` says of a link. */
interface LinkStatus {
  neighbour: string;
  sqlstate: string | null;
  trouble: string | null;
  remedy: string | null;
}

/** Says that the link from core to main is down for this reason, noted where it is dialled. */
async function assertLinkIsDown(
  chain: MoveChain,
  expected: { code: string; says: RegExp; remedy: RegExp },
): Promise<void> {
  const { driving, driven } = endsOfLink(chain);
  const [status] = await driving.sql<{ links: LinkStatus[] }[]>`
    select strata.status() -> 'links' as links`;
  const link = status?.links.find(({ neighbour }) => neighbour === driven.tier);
  assert.equal(link?.sqlstate, expected.code);
  assert.match(link?.trouble ?? "", expected.says);
  assert.match(link?.remedy ?? "", expected.remedy);
}

/** Changes how core and main reach each other. */
async function changeServer(chain: MoveChain, options: Record<string, string>): Promise<void> {
  const { driving, driven } = endsOfLink(chain);
  const { sql } = driving;
  const list = Object.entries(options).map(([name, value]) => `set ${name} '${value}'`);
  await sql`alter server ${sql(`strata_${driven.tier}`)} options (${sql.unsafe(list.join(", "))})`;
}

moveTest(
  "a wrong password is noted with its remedy, and nothing moves until it is right",
  async (chain) => {
    const { core, main } = chain;
    const { driving, driven } = endsOfLink(chain);
    const { sql } = driving;
    await makeNotes(core);
    const notes = await rowsOf(core);
    const mapping = sql`for postgres server ${sql(`strata_${driven.tier}`)}`;
    const [kept] = await sql<{ password: string }[]>`
    select substr(o, 10) as password from pg_user_mappings, unnest(umoptions) as o
     where srvname = ${`strata_${driven.tier}`} and o like 'password=%'`;
    await sql`alter user mapping ${mapping} options (set password 'wrong')`;

    await runInNewSessions(chain);

    await assertLinkIsDown(chain, {
      code: "28P01",
      says: new RegExp(`^${driven.tier} cannot be reached: .*password authentication failed`),
      remedy: /setup --init/,
    });
    assert.deepEqual(await rowsOf(core), notes);
    await sql`alter user mapping ${mapping} options (set password ${
      sql.unsafe(`'${kept?.password}'`)
    })`;
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual(await rowsOf(main), notes);
  },
  { drivers: DIALLING },
);

moveTest(
  "a neighbour that is down is left in peace for a while, and the other link goes on",
  async (chain) => {
    const { core, main, archive } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await core.sql`insert into public.notes values (1, now() - interval '90 days')`;
    await main.sql`insert into public.notes values (2, now() - interval '500 days')`;
    const { driven } = endsOfLink(chain);
    await changeServer(chain, { port: "1" });

    await runInNewSessions(chain);

    await assertLinkIsDown(chain, {
      code: "08001",
      says: new RegExp(`^${driven.tier} cannot be reached: .*refused`),
      remedy: /check that it runs and that host, port and firewall are right/,
    });
    assert.deepEqual([await idsOf(core), await idsOf(main), await idsOf(archive)], [[1], [], [2]]);

    await changeServer(chain, { port: new URL(driven.url).port });
    await runInNewSessions(chain);
    assert.deepEqual(await idsOf(core), [1], "its pause is not over");
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1]]);
    await assertAtPeace(chain);
  },
  { tiers: THREE_TIERS, drivers: DIALLING },
);

moveTest("a link that leads to another tier than it says is not used", async (chain) => {
  const { core, main } = chain;
  const { driving, driven } = endsOfLink(chain);
  await makeNotes(core);
  const { port, pathname } = new URL(driving.url);
  const verifier = await scramVerifier(await moverPassword());
  await driving.sql`select strata.set_mover_login(${driving.tier}, ${verifier}, 5)`;
  await changeServer(chain, { port, dbname: pathname.slice(1) });

  await runInNewSessions(chain);

  await assertLinkIsDown(chain, {
    code: "ST003",
    says: new RegExp(`the database behind the link to ${driven.tier} says it is ${driving.tier}`),
    remedy: /run strata\.join_tier\(\) with the right address/,
  });
  assert.deepEqual(await idsOf(core), [1, 2, 3]);
  await changeServer(chain, { port: new URL(driven.url).port, dbname: driven.name });
  await endPauses(chain);
  await settle(chain);
  assert.deepEqual(await idsOf(main), [1, 2, 3]);
}, { drivers: DIALLING });

moveTest("nothing comes into a read-only tier, until it may be written again", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core);
  const notes = await rowsOf(core);
  await main.sql`alter database ${main.sql(main.name)} set default_transaction_read_only = on`;

  await runInNewSessions(chain);

  await assertLinkIsDown(chain, {
    code: "25006",
    says: /read-only/,
    remedy: /free space there, or: alter database … reset default_transaction_read_only/,
  });
  assert.deepEqual(await rowsOf(core), notes);
  await main.sql`alter database ${main.sql(main.name)} reset default_transaction_read_only`;
  await endPauses(chain);
  await runInNewSessions(chain);
  assert.deepEqual(await rowsOf(main), notes);
  await assertAtPeace(chain);
});

moveTest("rows leave a read-only tier: that is how a full one gets room again", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core);
  const notes = await rowsOf(core);
  await core.sql`alter database ${core.sql(core.name)} set default_transaction_read_only = on`;

  await runInNewSessions(chain);

  assert.deepEqual([await rowsOf(core), await rowsOf(main)], [[], notes]);
});

moveTest(
  "a statement that is canceled on the other tier ends the link's turn, not the run",
  async (chain) => {
    const { core } = chain;
    const { driven, driving } = endsOfLink(chain);
    await makeNotes(core);
    await settle(chain);
    await core.sql`
      insert into public.notes (id, created_at) values (9, now() - interval '60 days')`;
    const asked = chain.driver === "push" ? "receive" : "claim";
    const [before] = await driven.sql`
      select pg_get_functiondef(p.oid) as made from pg_proc as p
        join pg_namespace as n on n.oid = p.pronamespace
       where n.nspname = 'strata' and p.proname = ${asked}`;
    await driven.sql.unsafe(
      before?.made.replace(
        /\nBEGIN\n/i,
        "\nbegin\n  raise exception 'canceling statement due to statement timeout' using errcode = '57014';\n",
      ),
    );

    await driving.sql`call strata.move_due()`;

    const answer = { code: "ST005", says: /did not finish: canceling/, remedy: /check the line/ };
    await assertLinkIsDown(chain, answer);
    await driven.sql.unsafe(before?.made);
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual(await idsOf(core), []);
    await assertAtPeace(chain);
  },
  { drivers: DIALLING },
);
