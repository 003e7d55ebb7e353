/** Whoever has a tier's secret key may carry a relay's questions where there is a relay, and has no other power here. */
import assert from "node:assert/strict";
import { makeNotes, moveTest, settle } from "../support/moves.ts";

const CALLS: Record<string, string> = {
  relay_hello: "",
  relay_begin: "'main', gen_random_uuid(), 10",
  relay_claim: "'notes', 'main'",
  relay_describe: "'notes'",
  relay_told: "'notes', '{}', '{id}'",
  relay_purge: "gen_random_uuid(), '{}', '[]'",
  relay_finish: "gen_random_uuid(), '{}'",
  relay_not_open: "'{}'",
  relay_accept: "'{}', 'core'",
  relay_receive: "gen_random_uuid(), 'notes', 'core', '{}', ''",
  relay_prove: "gen_random_uuid(), 'notes', '{id}'",
  relay_close: "gen_random_uuid(), 'notes', 'core', '{}', null",
  relay_open_arrivals: "'core'",
  relay_note_failure: "'notes', 'XX000', 'x'",
  relay_heartbeat: "",
  relay_hear: "'main', '{}'",
  relay_agreed: "'main'",
  relay_agree: "'main', '{}'",
  relay_audit: "'main'",
  relay_answer: "'core', '{}'",
  relay_audit_failed: "'main', 'notes', 'XX000', 'x'",
};

moveTest("without a relay's link no question of a relay is answered", async (chain) => {
  await makeNotes(chain.core);
  await settle(chain);
  for (const { sql, tier } of chain.databases) {
    for (const [name, args] of Object.entries(CALLS)) {
      const call = sql.begin(async (session) => {
        await session`set local role service_role`;
        return await session.unsafe(`select strata.${name}(${args})`);
      });
      const answer = await call.catch(({ code }) => code);
      assert.equal(answer, "ST006", `${name} on ${tier}`);
    }
  }
}, { drivers: ["push", "pull"] });

moveTest("a relay's questions of one side are not answered on the other", async (chain) => {
  await makeNotes(chain.core);
  await settle(chain);
  const source = [
    "relay_begin",
    "relay_claim",
    "relay_describe",
    "relay_told",
    "relay_not_open",
    "relay_note_failure",
    "relay_audit",
  ];
  const destination = ["relay_accept", "relay_receive", "relay_open_arrivals", "relay_answer"];
  for (
    const [{ sql }, names, neighbour] of [[chain.main, source, "core"], [
      chain.core,
      destination,
      "main",
    ]] as const
  ) {
    for (const name of names) {
      const args = (CALLS[name] ?? "").replaceAll(
        neighbour === "core" ? "'main'" : "'core'",
        `'${neighbour}'`,
      );
      const answer = await sql.unsafe(`select strata.${name}(${args})`).catch(({ code }) => code);
      assert.equal(answer, "ST006", name);
    }
  }
}, { drivers: ["relay"] });

moveTest(
  "service_role reaches no table of Strata's and calls nothing but what is its own",
  async (chain) => {
    const { sql } = chain.core;
    const [tables] = await sql`
    select count(*)::integer as open from pg_class as c
     where c.relnamespace = 'strata'::regnamespace and c.relkind in ('r', 'v')
       and has_table_privilege('service_role', c.oid, 'select, insert, update, delete')`;
    assert.equal(tables?.open, 0);
  },
  { drivers: ["push"] },
);
