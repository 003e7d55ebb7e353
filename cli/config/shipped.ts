/** The datasets that strata.yaml has as it is shipped: those of the personal system. */

/** A policy for one of these is no wish of the user's unless strata.local.yaml names it as well. */
export const SHIPPED: readonly string[] = [
  "daily_summaries",
  "shadow_work_current",
  "journal_entries",
  "tasks",
  "projects",
  "bot_sessions",
  "analytics_events",
  "research_notes",
  "learning_materials",
  "contacts",
  "templates",
  "productivity_analytics",
  "raw_exports",
  "voice_recordings",
  "media_files",
  "system_backups",
  "historical_analytics",
];
