/** What a pass of the test runner leaves behind (JUnit's XML), read for the end of `deno task test`. */

/** A test that failed, and what it said. */
export interface Failure {
  file: string;
  test: string;
  text: string;
}

/** What one pass of the test runner counted, and what failed in it. */
export interface Report {
  passed: number;
  failed: number;
  failures: Failure[];
}

/** Reads the report of a pass; a runner that was killed leaves none, which counts as nothing run. */
export async function readReport(path: string): Promise<Report> {
  const xml = await Deno.readTextFile(path).catch(() => "");
  const count = (attribute: string) => {
    return Number(new RegExp(`<testsuites [^>]*${attribute}="(\\d+)"`).exec(xml)?.[1] ?? 0);
  };
  const failed = count("failures") + count("errors");
  return { passed: count("tests") - failed, failed, failures: [...failuresIn(xml)] };
}

/**
 * The failures once more, in full but for long ones: in a log of thousands of lines, or one of which only
 * the end was kept, they are what somebody looks for.
 */
export function tellFailures(failures: Failure[]): string {
  return failures.map(({ file, test, text }) => {
    const lines = text.trimEnd().split("\n");
    const cut = lines.length > 30 ? [...lines.slice(0, 30), "(cut: the whole is above)"] : lines;
    return [`FAILED ${file}: ${test}`, ...cut.map((line) => `  ${line}`)].join("\n");
  }).join("\n\n");
}

function* failuresIn(xml: string): Generator<Failure> {
  const tests =
    /<testcase name="([^"]*)" classname="([^"]*)"[^>]*>\s*<failure [^>]*>([^<]*)<\/failure>/g;
  for (const [, test = "", file = "", text = ""] of xml.matchAll(tests)) {
    yield { file: plain(file), test: plain(test), text: plain(text) };
  }
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function plain(xml: string): string {
  return xml.replaceAll(/&(\w+);/g, (all, name) => ENTITIES[name] ?? all);
}
