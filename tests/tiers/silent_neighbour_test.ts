import { assertEquals } from "@std/assert";
import { testChain } from "../support/chain.ts";
import { addNote, idsOn, manageNotes } from "../support/notes.ts";
import { silentAddress } from "../support/silent_address.ts";

for (const driver of ["push", "pull"] as const) {
  Deno.test(`a neighbour that does not answer holds no job for longer than its budget (${driver})`, async () => {
    await using chain = await testChain({ tiers: ["core", "main"], driver });
    const { core, main } = chain;
    const [driving, driven] = driver === "push" ? [core, main] : [main, core];
    await manageNotes(core.sql);
    await addNote(core.sql, 1, "2020-01-01");
    using silent = await silentAddress();
    await driving.sql.unsafe(
      `alter server strata_${driven.tier} options (set port '${silent.port}')`,
    );
    // From PostgreSQL 16 on dblink waits for as long as a statement may take, unless it is told otherwise.
    const session = driving.connect({ max: 1, connection: { statement_timeout: 25_000 } });
    await session`call strata.move_due('20 seconds')`;
    const [link] = await session`select trouble_sqlstate as code from strata.links`;
    assertEquals(link?.code, "08001");
    assertEquals(await idsOn(core.sql), [1]);
  });
}
