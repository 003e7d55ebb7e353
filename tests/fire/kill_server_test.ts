import assert from "node:assert/strict";
import { TIERS } from "../../local/settings.ts";
import { testDatabase } from "../support/database.ts";
import { killServer, startServer } from "../support/servers.ts";
import { canMount, smallDisk } from "../support/small_disk.ts";

Deno.test("on every tier, what was committed outlives kill -9, and what was not does not", async () => {
  for (const tier of TIERS) {
    await using db = await testDatabase(tier);
    await db.sql`create table public.kept as select 1 as row`;
    const cutOff = db.connect({ max: 1 }); // sql.begin() would go on writing to a dead socket
    await cutOff.unsafe("begin; insert into public.kept values (2)");
    await killServer(tier);
    await startServer(tier);
    assert.deepEqual([...await db.sql`select row from public.kept`], [{ row: 1 }]);
  }
});

Deno.test("a server whose small disk was taken away comes back after kill -9", async () => {
  await using db = await testDatabase("archive");
  if (!await canMount()) return;
  await (await smallDisk("archive", 1))[Symbol.asyncDispose]();
  await killServer("archive");
  await startServer("archive");
  assert.deepEqual([...await db.sql`select 1 as one`], [{ one: 1 }]);
});
