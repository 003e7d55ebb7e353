import * as days from "./days.ts";
import * as files from "./files.ts";
import * as knowledge from "./knowledge.ts";
import { Life, type SampleOptions, type SampleRow, type Untold } from "./life.ts";
import * as machines from "./machines.ts";
import * as work from "./work.ts";

export type { Row, SampleOptions, SampleRow, Value } from "./life.ts";

const MAKERS: ReadonlyMap<string, (life: Life, options: SampleOptions) => Generator<Untold>> =
  new Map([
    ["daily_summaries", days.dailySummaries],
    ["shadow_work_current", days.shadowWork],
    ["journal_entries", days.journalEntries],
    ["projects", work.projects],
    ["tasks", tasksOfProjects],
    ["productivity_analytics", work.productivity],
    ["research_notes", knowledge.researchNotes],
    ["learning_materials", knowledge.learningMaterials],
    ["contacts", knowledge.contacts],
    ["templates", knowledge.templates],
    ["bot_sessions", machines.botSessions],
    ["analytics_events", machines.analyticsEvents],
    ["historical_analytics", machines.historicalAnalytics],
    ["system_backups", machines.systemBackups],
    ["raw_exports", files.rawExports],
    ["voice_recordings", files.voiceRecordings],
    ["media_files", files.mediaFiles],
  ]);

/** Every dataset of the personal system, those that are referred to first. */
export const SAMPLE_DATASETS: readonly string[] = [...MAKERS.keys()];

/**
 * Tells a dataset's rows, oldest first: about three years of one life. Nothing is kept in memory,
 * and the same options give the same rows, byte for byte.
 *
 * @example
 * ```ts ignore
 * for (const row of sampleRows("tasks", { seed: 7, now: new Date("2026-11-22") })) insert(row);
 * ```
 */
export function* sampleRows(dataset: string, options: SampleOptions = {}): Generator<SampleRow> {
  const make = MAKERS.get(dataset);
  if (make === undefined) throw new RangeError(`There is no sample data for "${dataset}".`);

  const life = new Life(dataset, options);
  let index = 0;
  for (const row of make(life, options)) {
    if (row.created_at <= life.now) yield { id: life.id(dataset, index++), ...row };
  }
}

function* tasksOfProjects(life: Life, options: SampleOptions): Generator<Untold> {
  yield* work.tasks(life, [...sampleRows("projects", options)]);
}
