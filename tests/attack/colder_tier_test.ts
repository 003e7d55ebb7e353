/** Whoever has taken main has the login with which it pulls from core. What is not due on core stays there. */
import assert from "node:assert/strict";
import { idsOf, makeNotes, moveTest, settle } from "../support/moves.ts";
import { refusal } from "../support/refusal.ts";
import { ASKED, asNeighbour } from "./support.ts";

const PULL = { drivers: ["pull"] } as const;

for (const call of ASKED["by the hotter"]) {
  moveTest(`a tier that pulls cannot bring anything: ${call.split("(")[0]}`, async (chain) => {
    await makeNotes(chain.core);
    await asNeighbour(chain.core, "main", async (sql) => {
      const { code } = await refusal(sql.unsafe(`select strata.${call}`));
      assert.equal(code, "ST009");
    });
  }, PULL);
}

moveTest("where core pushes, main's login may ask nothing of it", async (chain) => {
  await makeNotes(chain.core);
  await asNeighbour(chain.core, "main", async (sql) => {
    for (const call of ["heartbeat()", ...ASKED["by the colder"]]) {
      const answer = await sql.unsafe(`select strata.${call} as x`).catch(({ code }) => code);
      assert.equal(answer, "ST009", call);
    }
  });
}, { drivers: ["push"] });

moveTest("a tier that does not dial this one may ask nothing of it", async (chain) => {
  await makeNotes(chain.core);
  await asNeighbour(chain.core, "archive", async (sql) => {
    for (const call of ["heartbeat()", ...ASKED["by the colder"]]) {
      const answer = await sql.unsafe(`select strata.${call} as x`).catch(({ code }) => code);
      assert.equal(answer, "ST009", call);
    }
  });
}, PULL);

moveTest("what a claim hands out is no proof", async (chain) => {
  const { core } = chain;
  await makeNotes(core, 0);
  await settle(chain);
  await core
    .sql`insert into public.notes select n, now() - interval '60 days' from generate_series(1, 5) as n`;
  await asNeighbour(core, "main", async (sql) => {
    const [batch] = await sql<{ id: string; proof_hash: string }[]>`
      select move_id as id, proof_hash::text from strata.claim('notes', 'main')`;
    assert.ok(batch);
    const { code } = await refusal(
      sql`select strata.purge(${batch.id}, array[${batch.proof_hash}::text::bytea])`,
    );
    assert.equal(code, "ST004");
    await sql`select strata.purge(${batch.id}, array_fill(${batch.proof_hash}::text::bytea, array[5]))`;
  });
  assert.equal((await idsOf(core)).length, 5);
}, PULL);

moveTest(
  "the policy is core's: as soon as it keeps a row, the row stays, whoever proves what",
  async (chain) => {
    const { core } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await core
      .sql`insert into public.notes select n, now() - interval '60 days' from generate_series(1, 5) as n`;
    await asNeighbour(core, "main", async (sql) => {
      const [batch] = await sql<
        { id: string }[]
      >`select move_id as id from strata.claim('notes', 'main')`;
      const [known] = await core.sql<
        { proof: string }[]
      >`select batch_proof::text as proof from strata.manifests`;
      assert.ok(batch && known);
      await core
        .sql`select strata.manage('public.notes', p_core_retention_days => null, p_main_retention_days => null, p_delete_after_days => null)`;
      const [kept] = await sql`
      select moved, ordinals from strata.purge(${batch.id}, array[${known.proof}::text::bytea])`;
      assert.deepEqual({ ...kept }, { moved: 0, ordinals: [1, 2, 3, 4, 5] });
    });
    await settle(chain);
    assert.equal((await idsOf(core)).length, 5);
    assert.deepEqual(await idsOf(chain.main), [], "nothing is on both");
  },
  PULL,
);

moveTest("a tier that pulls cannot leave a column out and have the rows deleted", async (chain) => {
  await makeNotes(chain.core);
  await asNeighbour(chain.core, "main", async (sql) => {
    const { code } = await refusal(
      sql`select strata.note_told('notes', 1, 'any', array['id', 'created_at'])`,
    );
    assert.equal(code, "ST032");
  });
}, PULL);
