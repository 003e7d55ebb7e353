/** What of schema strata is meant for its owner; everything else in it is Strata's own affair. */

/** Some of it that belongs together. */
export interface Chapter {
  title: string;
  /** Functions, procedures or tables of schema strata, in the order in which they are told. */
  names: readonly string[];
}

/** Functions and procedures that people call. Those that only cron calls are on the page of the schedules. */
export const ROUTINES: readonly Chapter[] = [
  {
    title: "Tables",
    names: ["manage", "unmanage", "hold", "release", "remedy"],
  },
  {
    title: "What a colder tier may do",
    names: ["allow_twin", "forget_twin", "waiting_conditions", "take_conditions"],
  },
  {
    title: "After a tier was put back from a backup",
    names: ["keep_policy", "forget_copies"],
  },
  {
    title: "Questions",
    names: [
      ...["status", "plan", "explain", "validate", "forecast", "quota", "what_is_wrong"],
      ...["who_fills", "table_sizes", "billed_bytes", "plan_drain", "plan_reclaims"],
      ...["audit_report", "inventory", "channel_states", "health", "report"],
    ],
  },
  {
    title: "Work that is done now",
    names: ["process", "move_due", "upkeep", "end_pauses", "queue_reclaims", "look", "tell_report"],
  },
  {
    title: "The audit",
    names: ["audit", "audit_anew", "accept_audit"],
  },
  {
    title: "Tiers and links",
    names: [
      ...["become", "tier", "set_tier", "join_tier", "leave_tier", "set_mover_login"],
      ...["renew_password", "trust_clock", "restore_rights"],
    ],
  },
  {
    title: "Secrets and keys",
    names: ["secret", "set_secret", "forget_secret", "note_key"],
  },
];

/** Tables whose rows an owner changes, each with a plain statement. */
export const TO_CHANGE: Chapter = {
  title: "Tables to change",
  names: [
    ...["settings", "schedules", "quotas", "quiet_hours", "prices", "allowances", "budgets"],
    ...["owners", "affirmations"],
  ],
};

/** Tables that an owner reads. Their rows are Strata's: they are written by its functions. */
export const TO_READ: Chapter = {
  title: "Tables to read",
  names: [
    ...["self", "tiers", "links", "datasets", "holds", "set_aside", "left_copies", "moves"],
    ...[
      "moves_totals",
      "failures",
      "drains",
      "reclaims",
      "samples",
      "heartbeats",
      "alerts",
      "alert_kinds",
    ],
    ...["outbox", "deliveries", "channels", "audit_turns", "audit_findings", "audit_notes"],
    ...["costs", "costs_totals", "usage", "keys", "briefings", "errors", "releases"],
  ],
};
