import assert from "node:assert/strict";
import { manageNotes } from "../support/notes.ts";
import { commandLine } from "./support.ts";

/** A chain with ten notes of January 2026 on main, set up as people would do it. */
async function chain() {
  const cli = await commandLine();
  const { code, out, err } = await cli.strata("setup", "--init");
  assert.equal(code, 0, `${out}${err}`);
  for (const { freezeClock } of cli.databases.values()) await freezeClock("2026-06-01T00:00:00Z");
  const core = cli.sql("core");
  await manageNotes(core);
  await core`insert into public.notes select id, '2026-01-05', 'note' from generate_series(1, 10) as id`;
  assert.equal((await cli.strata("sync")).code, 0);
  return cli;
}

Deno.test("audit says that all is there, or what is not, and lets it be accepted", async () => {
  await using cli = await chain();
  const well = await cli.strata("audit");
  assert.equal(well.code, 0, well.out + well.err);
  assert.match(well.out, /^notes +main +1 +10 +0 +\S+ +\S* *✓$/m);
  assert.match(well.out, /✓ What settled is there, once\.$/);

  await cli.sql("main")`delete from public.notes where id < 3`;
  assert.equal((await cli.strata("audit", "--last")).code, 0);
  const lost = await cli.strata("audit", "--dataset", "notes");
  assert.equal(lost.code, 1);
  assert.match(lost.out, /✗ notes on main: 2 of 10 rows of 2026-01 are gone\n {2}→ /);
  assert.equal((await cli.strata("alerts")).code, 1);

  const wrong = await cli.strata("audit", "--accept", "--dataset", "notes", "--month", "2026-02");
  assert.equal(wrong.code, 1);
  assert.equal((await cli.strata("audit", "--accept")).code, 2);
  for (const how of [[], ["--last"], ["--accept"]]) {
    const typo = await cli.strata("audit", ...how, "--dataset", "note");
    assert.deepEqual([typo.code, typo.out], [2, ""]);
    assert.match(typo.err, /^There is no dataset "note"\n→ /);
  }
  for (const month of ["foo", "2026-13", "2026-1"]) {
    const none = await cli.strata("audit", "--accept", "--dataset", "notes", "--month", month);
    assert.deepEqual([none.code, none.out], [2, ""]);
    assert.equal(none.err, `--month is "${month}"\n→ Write the month as 2026-03.`);
  }
  const unasked = await cli.strata("audit", "--accept", "--dataset", "notes");
  assert.deepEqual([unasked.code, unasked.out], [2, ""]);
  assert.match(
    unasked.err,
    /2 of 10 rows of 2026-01 are gone\. There is no terminal .*\n→ Say --yes/,
  );
  const accepted = await cli.strata("audit", "--accept", "--dataset", "notes", "--yes", "--json");
  assert.deepEqual([accepted.code, JSON.parse(accepted.out).accepted], [0, 1]);
  assert.equal((await cli.strata("audit")).code, 0);
  assert.equal((await cli.strata("alerts")).code, 0);
});

Deno.test("audit prints no ✓ for what it has not proved, and says what that is", async () => {
  await using cli = await chain();
  assert.equal((await cli.strata("audit")).code, 0);
  const last = await cli.strata("audit", "--last");
  assert.match(last.out, /✓ What settled was there, once, when last audited \(\d{4}-/);
  await cli.sql("main")`update strata.books set names = null, marks = null`;
  await cli.sql("core")`alter table public.notes add column colour text`;
  await cli.sql("core")`insert into public.notes values (11, '2026-01-06', 'note', 'red')`;
  assert.equal((await cli.strata("sync")).code, 0);
  for (let times = 0; times < 2; times++) {
    const { code, out } = await cli.strata("audit", "--dataset", "notes");
    assert.equal(code, 0);
    assert.match(out, /^notes +main .* 11 rows only counted$/m);
    assert.match(out, /… notes on main: 11 rows of 2026-01 were only counted\n {2}→ .*--accept/);
    assert.doesNotMatch(out, /✓ What/);
  }
  const accepted = await cli.strata("audit", "--accept", "--dataset", "notes", "--yes");
  assert.deepEqual([accepted.code, accepted.out], [
    0,
    "1 finding of notes taken as right from now on.",
  ]);
  await cli.sql("main")`insert into public.notes values (12, '2026-01-07', 'by hand', null)`;
  const besides = await cli.strata("audit", "--dataset", "notes");
  assert.equal(besides.code, 1);
  assert.match(besides.out, /✗ notes on main: 1 row of 2026-01 came by no move/);
  assert.doesNotMatch(besides.out, /✓ What/);
});

Deno.test("audit prints no ✓ while a tier cannot be asked", async () => {
  await using cli = await chain();
  await cli.sql("archive").end();
  cli.environment.STRATA_ARCHIVE_DB_URL = "postgres://strata@127.0.0.1:9/none";
  const { out } = await cli.strata("audit");
  assert.match(out, /… archive was not asked: /);
  assert.doesNotMatch(out, /✓ What/);
});

Deno.test("audit --json has every dataset of every link, and an audit that cannot end is not well", async () => {
  await using cli = await chain();
  const { audits } = JSON.parse((await cli.strata("audit", "--dataset", "notes", "--json")).out);
  assert.deepEqual(
    audits.map((one: Record<string, unknown>) => [one.colder, one.rows, one.findings]),
    [
      ["main", "10", []],
      ["archive", "0", []],
    ],
  );
  for (const tier of ["core", "main"] as const) {
    await cli.sql(tier)`alter table public.notes rename to elsewhere`;
  }
  const broken = await cli.strata("audit", "--dataset", "notes");
  assert.equal(broken.code, 1);
  assert.match(broken.out, /✗ notes on main: not finished: /);
});
