import assert from "node:assert/strict";
import { addSamples, after, MB } from "../support/watch.ts";
import { commandLine } from "./support.ts";

/** A core and a main that are set up, as people would do it. */
async function chain() {
  const cli = await commandLine(["core", "main"]);
  const { code, out, err } = await cli.strata("setup", "--init");
  assert.equal(code, 0, `${out}${err}`);
  return cli;
}

Deno.test("monitor sizes names who fills each tier, and what could be given back", async () => {
  await using cli = await chain();
  await cli.sql("core")`create table public.hoard (body text)`;
  await cli.sql("core")`
    insert into public.hoard select repeat(md5(n::text), 20) from generate_series(1, 20000) as n`;
  const { code, out } = await cli.strata("monitor", "sizes");
  assert.equal(code, 0);
  assert.match(out, /core: \d+ MB of 500 MB/);
  assert.match(out, /^ {2}public\.hoard +table +1\d MB/m);
  assert.match(out, /write-ahead log +wal, not billed/);
  const { tiers } = JSON.parse((await cli.strata("monitor", "sizes", "--json")).out);
  const fills: { part: string }[] = tiers[0].fills;
  assert.ok(fills.some(({ part }) => part === "public.hoard"));
  assert.deepEqual(tiers.map(({ tier }: { tier: string }) => tier), ["core", "main"]);
});

Deno.test("forecast says when each tier will be full, or that it cannot know", async () => {
  await using cli = await chain();
  const start = "2026-01-01T00:00:00Z";
  await cli.databases.get("core")?.freezeClock(after(start, 240));
  await addSamples(
    cli.sql("core"),
    Array.from({ length: 241 }, (_, hour) => ({
      at: after(start, hour),
      bytes: (250 + 0.25 * hour) * MB,
    })),
  );
  const { code, out } = await cli.strata("forecast");
  assert.equal(code, 0);
  assert.match(out, /^core: 310 MB, \+6\.0 MB a day/m);
  assert.match(out, /^ {2}full +500 MB +2026-02-11/m); // 190 MB at 6 MB a day: 31.7 days
  assert.match(out, /^main: not enough data: 0\.0 days of samples, 3 are needed$/m);
  const { forecast } = JSON.parse((await cli.strata("forecast", "--json")).out);
  assert.equal(forecast.length, 6);
  assert.equal(forecast[2].threshold, "full");
  assert.equal(forecast[2].reached_at.slice(0, 10), "2026-02-11");
});

Deno.test("quota shows used, limit and projection, and where the limit is written", async () => {
  await using cli = await chain();
  await cli.sql("core")`call strata.watch()`;
  await cli.sql("core")`select strata.count_usage('edge_invocations', 50000)`;
  const { code, out } = await cli.strata("quota");
  assert.equal(code, 0);
  assert.match(out, /^core +edge invocations +50,000 calls +500,000 calls +10 %/m);
  assert.match(out, /^core +average size .* 500 MB .*fair use/m);
  const { quotas } = JSON.parse((await cli.strata("quota", "--json")).out);
  const names = quotas.map(({ tier, name }: { tier: string; name: string }) => `${tier} ${name}`);
  assert.ok(names.includes("core egress") && names.includes("main rows"));
  await cli.sql("core")`select strata.count_usage('edge_invocations', 450000)`;
  assert.equal((await cli.strata("quota")).code, 1);
});

Deno.test("status says which jobs are paused, and how they go on", async () => {
  await using cli = await chain();
  assert.doesNotMatch((await cli.strata("status")).out, /[Pp]aused/);
  await cli.sql("core")`update strata.schedules set active = false`;
  await cli.sql("main")`update strata.schedules set active = false where job = 'strata-move'`;
  const { out } = await cli.strata("status");
  assert.match(out, /^Paused on core: 1\d jobs\.\n→ .* set active = true;$/m);
  assert.match(out, /^Paused on main: strata-move\.$/m);
  const { tiers } = JSON.parse((await cli.strata("status", "--json")).out);
  assert.ok(tiers[0].status.paused_jobs.length > 10);
  assert.deepEqual(tiers[1].status.paused_jobs, ["strata-move"]);
});

Deno.test("alerts looks again each time, and shows each alert once, with what to do", async () => {
  await using cli = await chain();
  assert.equal((await cli.strata("alerts")).out, "Nothing is wrong.");
  await cli.sql(
    "main",
  )`select strata.raise_alert('audit_mismatch', null, 'notes', 'warning', 'a row', 'look')`;
  await cli.sql("core")`
    select strata.raise_alert('audit_mismatch', 'main', 'notes', 'warning', 'a row', 'look', 'main')`;
  await cli.sql("core")`select strata.note_key('mover', now() - interval '100 days')`;
  const before = await cli.strata("alerts");
  assert.equal(before.code, 1);
  assert.match(before.out, /^🟡 main: audit mismatch, notes \(since .*\)\n {3}a row\n {3}→ look$/m);
  assert.match(before.out, /^🟡 core: key overdue, mover/m);
  assert.equal(before.out.match(/audit mismatch/g)?.length, 1);

  const { out } = await cli.strata("alerts", "--check", "--json");
  const { alerts } = JSON.parse(out);
  assert.deepEqual(alerts.map(({ kind }: { kind: string }) => kind).sort(), [
    "audit_mismatch",
    "key_overdue",
  ]);

  await cli.sql("core")`select strata.note_key('mover')`;
  assert.doesNotMatch((await cli.strata("alerts", "--check")).out, /key overdue/);
  assert.match((await cli.strata("alerts", "--all")).out, /^⚪ core: key overdue, mover .* until/m);
});
