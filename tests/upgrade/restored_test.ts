import { assertEquals } from "@std/assert";
import { settle } from "../support/moves.ts";
import { differences, snapshot } from "../support/snapshot.ts";
import { everyTable, restored } from "./dump.ts";
import { fill } from "./fill.ts";
import { releasedChain } from "./support.ts";

Deno.test("a dump that is restored is what was dumped, in every table and every function", async () => {
  await using chain = await releasedChain(
    { core: "today", main: "today", archive: "today" },
    "push",
  );
  await fill(chain);
  await settle(chain).catch(() => {}); // some conditions wait for their owner
  for (const database of chain.databases) {
    await using copy = await restored(database);
    assertEquals(differences(await everyTable(copy.sql), await everyTable(database.sql)), []);
    assertEquals(
      differences(
        await snapshot(copy.sql, ["strata", "public"]),
        await snapshot(database.sql, ["strata", "public"]),
      ),
      [],
    );
  }
});
