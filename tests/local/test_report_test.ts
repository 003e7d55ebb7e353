import assert from "node:assert/strict";
import { readReport, tellFailures } from "../../local/test_report.ts";

const XML = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="3" failures="1" errors="0" time="0.167">
    <testsuite name="./tests/a_test.ts" tests="3" disabled="0" errors="0" failures="1">
        <testcase name="good" classname="./tests/a_test.ts" time="0.005" line="2" col="6">
        </testcase>
        <testcase name="says &lt;this&gt; &amp; &quot;that&quot;" classname="./tests/a_test.ts" time="0.005" line="4" col="6">
            <failure message="Uncaught Error: &apos;x&apos;
&gt; y">Error: &apos;x&apos;
&gt; y
    at file:///a_test.ts:4:69</failure>
        </testcase>
        <testcase name="good too" classname="./tests/a_test.ts" time="0.000" line="9" col="6">
        </testcase>
    </testsuite>
</testsuites>
`;

async function reportOf(xml: string) {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, xml);
    return await readReport(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("what failed is told once more at the end, in its own words", async () => {
  const report = await reportOf(XML);
  assert.deepEqual([report.passed, report.failed], [2, 1]);
  assert.equal(
    tellFailures(report.failures),
    `FAILED ./tests/a_test.ts: says <this> & "that"
  Error: 'x'
  > y
      at file:///a_test.ts:4:69`,
  );
});

Deno.test("a long failure is cut, and a report that was never written counts nothing", async () => {
  const text = Array.from({ length: 100 }, (_, i) => `line ${i}`).join("\n");
  const told = tellFailures([{ file: "f", test: "t", text }]).split("\n");
  assert.deepEqual([told.length, told.at(-1)], [32, "  (cut: the whole is above)"]);
  const none = await readReport("/nowhere/report.xml");
  assert.deepEqual(none, { passed: 0, failed: 0, failures: [] });
});
