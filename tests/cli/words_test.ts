/** Words that several commands share. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { cronText } from "../../cli/lib/cron_text.ts";
import { nearest } from "../../cli/lib/nearest.ts";
import { noun, plural, some } from "../../cli/lib/output.ts";
import { SHIPPED } from "../../cli/config/shipped.ts";
import { checksText } from "../../cli/setup/checks_text.ts";
import { REPOSITORY } from "../../local/settings.ts";
import { strata } from "./support.ts";

Deno.test("plural() and noun() agree with their number, some() names a few", () => {
  assert.deepEqual([0, 1, 2, 1000n].map((n) => plural(n, "row")), [
    "0 rows",
    "1 row",
    "2 rows",
    "1,000 rows",
  ]);
  assert.equal(plural("2", "entry", "entries"), "2 entries");
  assert.equal(noun(1, "is", "are"), "is");
  assert.deepEqual(
    [1, 2, 4, 6].map((n) => some([..."abcdef"].slice(0, n))),
    ["a", "a and b", "a, b, c and d", "a, b, c and 3 more"],
  );
});

Deno.test("cronText() says of each schedule when it comes, and shows what it cannot say", () => {
  for (
    const [cron, says] of [
      ["0 9 * * *", "daily at 09:00 UTC"],
      ["0 2 * * 0", "Sundays at 02:00 UTC"],
      ["5 2 * * 7", "Sundays at 02:05 UTC"],
      ["0 9 1 * *", "on day 1 of each month at 09:00 UTC"],
      ["*/15 * * * *", "every 15 minutes"],
      ["2-57/5 * * * *", "every 5 minutes"],
      ["2-50/5 * * * *", "cron 2-50/5 * * * *"],
      ["2-57/5 1 * * *", "cron 2-57/5 1 * * *"],
      ["*/7 * * * *", "cron */7 * * * *"],
      ["0 */4 * * *", "every 4 hours"],
      ["0 */5 * * *", "cron 0 */5 * * *"],
      ["* * * * *", "every minute"],
      ["0 9 1 6 *", "cron 0 9 1 6 *"],
      ["0 9 * * 1-5", "cron 0 9 * * 1-5"],
      ["30 seconds", "cron 30 seconds"],
    ]
  ) assert.equal(cronText(cron ?? ""), says);
});

Deno.test("nearest() guesses slips of the keyboard and nothing else", () => {
  assert.equal(nearest("ordres", ["orders", "bills"]), "orders");
  assert.equal(nearest("Tasks", ["tasks"]), "tasks");
  assert.equal(nearest("weather", ["orders", "bills"]), undefined);
  assert.equal(nearest("x", []), undefined);
});

Deno.test("the datasets that are shipped are those of strata.yaml", async () => {
  const { lifecycle_policies: policies } = parse(
    await Deno.readTextFile(`${REPOSITORY}/strata.yaml`),
  );
  assert.deepEqual([...SHIPPED, "default"].sort(), Object.keys(policies).sort());
});

Deno.test("checksText() has one line for one cause, however often it shows", () => {
  const sound = { tier: "core", topic: "version", ok: true, says: "PostgreSQL 15", remedy: null };
  const broken = (name: string) => ({
    tier: "core",
    topic: `dataset ${name}`,
    ok: false,
    says: "column x is gone",
    remedy: "Put it back.",
  });
  const text = checksText([sound, ...[..."abcdef"].map(broken)], false);
  assert.match(text, /^✗ {2}core {2}6 datasets: a, b, c and 3 more {2}column x is gone$/m);
  assert.equal(text.match(/Put it back/g)?.length, 1);
  assert.match(
    text,
    /^6 checks do not hold; → says what to do\. 1 other holds \(--verbose lists it\)\.$/m,
  );
  assert.match(checksText([broken("a"), sound], false), /^1 check does not hold;/m);
  assert.match(checksText([sound, sound], false), /^All 2 checks hold\.$/m);
});

Deno.test("a tab in the configuration is one problem, and a number out of range says what to write", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/strata.yaml`;
    await Deno.copyFile(`${REPOSITORY}/strata.yaml`, path);
    const says = async (local: string) => {
      await Deno.writeTextFile(`${directory}/strata.local.yaml`, local);
      return (await strata(["plan", "--config", path])).err;
    };
    const tab = await says("lifecycle_policies:\n\ttasks: { core_retention_days: 1 }\n");
    assert.match(tab, /^The configuration has 1 problem:\n.*:2:1 is indented by a tab/);
    const range = await says(
      "lifecycle_policies: { tasks: { delete_after_days: -2, core_retention_days: 1.5 } }",
    );
    assert.match(
      range,
      /tasks\.delete_after_days is -2: write a whole number of days, such as 30, or never/,
    );
    assert.match(range, /tasks\.core_retention_days is 1\.5: write a whole number of days/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
