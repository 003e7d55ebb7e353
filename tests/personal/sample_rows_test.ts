import { assert, assertEquals, assertThrows } from "@std/assert";
import { SAMPLE_DATASETS, type SampleRow, sampleRows } from "../../cli/sample/generate.ts";

const NOON = new Date("2026-11-22T12:00:00Z");
const DAY_MS = 86_400_000;

Deno.test("sampleRows() tells the same life for the same seed, and another for another", () => {
  for (const dataset of SAMPLE_DATASETS) {
    const options = { seed: 7, now: NOON, years: 0.2 };
    assertEquals(told(dataset, options), told(dataset, options), dataset);
    const other = told(dataset, { ...options, seed: 8 });
    assert(other[0]?.id !== told(dataset, options)[0]?.id, dataset);
  }
});

Deno.test("sampleRows() gives every row an id of its own", () => {
  const ids = SAMPLE_DATASETS.flatMap((dataset) => told(dataset).map((row) => row.id));
  assertEquals(new Set(ids).size, ids.length);
  assert(
    ids.every((id) => /^5eed0001-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/.test(id)),
  );
});

Deno.test("sampleRows() spreads each dataset over three years and never past now", () => {
  for (const dataset of SAMPLE_DATASETS) {
    const ages = told(dataset).map((row) => (+NOON - +row.created_at) / DAY_MS);
    assert(Math.max(...ages) > 2.8 * 365, `${dataset} begins late`);
    assert(Math.min(...ages) >= 0 && Math.min(...ages) < 65, `${dataset} ends early`);
    for (let year = 0; year < 3; year++) {
      const share = ages.filter((age) => Math.floor(age / 365) === year).length / ages.length;
      assert(share > 0.1, `${dataset}: year ${year} has ${share}`);
    }
  }
});

Deno.test("sampleRows() is some ten thousand rows and some ten megabytes, few of them large", () => {
  const sizes = SAMPLE_DATASETS.flatMap((dataset) => told(dataset).map(size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  assert(sizes.length > 20_000 && sizes.length < 40_000, `${sizes.length} rows`);
  assert(bytes > 30e6 && bytes < 65e6, `${bytes} bytes`);

  const large = told("research_notes").filter((note) => size(note) > 100 * 1024).length;
  assert(large > 10 && large < 50, `${large} large notes`);
});

Deno.test("sampleRows() scales how much happens, not how long", () => {
  const [all, few] = [told("bot_sessions"), told("bot_sessions", { scale: 0.1 })];
  assert(few.length > all.length * 0.07 && few.length < all.length * 0.13);
  assert((+NOON - +(few[0]?.created_at ?? NOON)) / DAY_MS > 1000);
});

Deno.test("sampleRows() leaves some tasks and projects open and completes the others in time", () => {
  for (const dataset of ["tasks", "projects"]) {
    const statuses = Map.groupBy(told(dataset), (row) => row.status);
    assert((statuses.get("open")?.length ?? 0) > 3, `${dataset}: nothing open`);
    const completed = statuses.get("completed") ?? [];
    assert(completed.length > 10, `${dataset}: nothing completed`);
    for (const { created_at, completed_at } of completed) {
      assert(completed_at instanceof Date && completed_at > created_at && completed_at <= NOON);
    }
  }
});

Deno.test("sampleRows() refers only to projects that had begun", () => {
  const began = new Map(told("projects").map((project) => [project.id, project.created_at]));
  const attached = told("tasks").filter((task) => task.project_id !== null);
  assert(attached.length > 500);
  for (const { project_id, created_at } of attached) {
    const start = typeof project_id === "string" ? began.get(project_id) : undefined;
    assert(start !== undefined && start < created_at);
  }
});

Deno.test("sampleRows() knows weekends", () => {
  const perDay = Array.from({ length: 7 }, () => 0);
  for (const event of told("analytics_events")) {
    const weekday = event.created_at.getUTCDay();
    perDay[weekday] = (perDay[weekday] ?? 0) + 1;
  }
  const [sunday = 0, monday = 0] = perDay;
  assert(sunday < monday * 0.75, `${sunday} on Sundays, ${monday} on Mondays`);
});

Deno.test("sampleRows() writes both languages in well-formed text with every slot filled", () => {
  const texts = told("journal_entries").map((entry) => String(entry.content));
  assert(texts.every((text) => text.isWellFormed() && !/[{}\0]|undefined/.test(text)));
  assert(texts.filter((text) => /\b(und|mit)\b/.test(text)).length > 300);
  assert(texts.filter((text) => /\b(and|the)\b/.test(text)).length > 300);
});

Deno.test("sampleRows() refuses a dataset it has nothing for", () => {
  assertThrows(() => told("diaries"), RangeError, 'no sample data for "diaries"');
});

function told(dataset: string, options: Parameters<typeof sampleRows>[1] = {}): SampleRow[] {
  return [...sampleRows(dataset, { now: NOON, ...options })];
}

function size(row: SampleRow): number {
  return Object.values(row).reduce<number>((sum, value) => {
    if (value instanceof Uint8Array) return sum + value.length;
    return sum + (typeof value === "string" ? value.length : 8);
  }, 0);
}
