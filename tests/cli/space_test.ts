import assert from "node:assert/strict";
import { manage } from "../support/notes.ts";
import { counted, countOwnSize, makeCritical, makeLetters } from "../support/space.ts";
import { commandLine } from "./support.ts";

/** A core with letters that no policy moves, and a main, set up as people would do it. */
async function chain(rows: number) {
  const cli = await commandLine(["core", "main"]);
  const { code, out, err } = await cli.strata("setup", "--init");
  assert.equal(code, 0, `${out}${err}`);
  const core = cli.sql("core");
  await countOwnSize(core);
  await makeLetters(core, rows);
  await manage(core, "public.letters", {
    core_retention_days: null,
    main_retention_days: null,
    delete_after_days: null,
  });
  return Object.assign(cli, { core });
}

Deno.test("drain says what it would move, moves it, and gives the space back", async () => {
  await using cli = await chain(16_000);
  const before = await cli.strata("drain", "--dry-run");
  assert.match(before.out, /^core: \d+ MB, below the 320 MB a drain is for: nothing to do\.$/);
  assert.equal(before.code, 0);

  await makeCritical(cli.core, "core", 4);
  const plan = await cli.strata("drain", "--dry-run", "--json");
  const { need_bytes, shares } = JSON.parse(plan.out);
  assert.ok(Number(need_bytes) > 3_500_000);
  assert.equal(shares[0].dataset, "letters");
  assert.match(
    (await cli.strata("drain", "--dry-run")).out,
    /^letters +3\.\d MB|^letters +4\.\d MB/m,
  );
  assert.deepEqual([...await cli.core`select from strata.drains`], []);

  const done = await cli.strata("drain");
  assert.match(done.out, /^core: public\.letters gave back .* \(packed, nobody waits\)$/m);
  assert.match(done.out, /^core: done: from \d+ MB to \d+ MB$/m);
  assert.equal(done.code, 0, done.err);
  const [left] = await cli.core`select count(*)::integer as n from public.letters`;
  const [gone] = await cli.sql("main")`select count(*)::integer as n from public.letters`;
  assert.equal(left?.n + gone?.n, 16_000);
});

Deno.test("drain and reclaim work on a core that is read-only, and drain makes it writable", async () => {
  await using cli = await chain(16_000);
  const database = cli.databases.get("core");
  const readOnly = `alter database ${database?.name} set default_transaction_read_only = on`;
  const begun = () => database?.connect({ max: 1 });
  await counted(cli.core, "delete from public.letters where id % 4 = 0");
  await cli.core.unsafe(readOnly);
  const given = await cli.strata("reclaim");
  assert.match(given.out, /public\.letters gave back/);
  assert.equal(given.code, 0, given.err);

  await makeCritical(cli.core, "core", 4);
  assert.match((await cli.strata("drain", "--dry-run")).out, /^letters +[1-4]\.\d MB/m); // less what is free
  const fresh = begun();
  await assert.rejects(async () => await fresh?.unsafe("delete from public.letters"), /read-only/);
  const done = await cli.strata("drain");
  assert.match(done.out, /^core: done: from .*; new sessions may write again$/m);
  assert.equal(done.code, 0, done.err);
  await begun()?.unsafe("insert into public.letters values (-1, now(), 'by somebody new')");
  const [left] = await cli.core`select count(*)::integer as n from public.letters`;
  const [gone] = await cli.sql("main")`select count(*)::integer as n from public.letters`;
  assert.equal(left?.n + gone?.n, 12_001);
});

Deno.test("reclaim says what it would give back, and gives it", async () => {
  await using cli = await chain(10_000);
  assert.equal((await cli.strata("reclaim", "--dry-run")).out, "There is nothing to give back.");
  await counted(cli.core, "delete from public.letters where id <= 5000");
  const { out } = await cli.strata("reclaim", "--dry-run");
  assert.match(out, /^core +letters +5\.\d MB +2\.\d MB +packed, nobody waits$/m);
  await cli.core`update strata.settings set value = 1 where name = 'reclaim_min_mb'`;
  assert.match(
    (await cli.strata("plan")).out,
    /^Upkeep gives 2\.\d MB of letters back to the disk of core\.$/m,
  );
  const { reclaims } = JSON.parse((await cli.strata("reclaim", "--json")).out);
  assert.equal(reclaims.length, 1);
  assert.equal(reclaims[0].state, "done");
  assert.equal((await cli.strata("reclaim")).out, "There is nothing to give back.");
});
