import type { Facts } from "../../supabase/functions/_strata/protocol/strata_voice.ts";

/** What a test says of a day; the rest is unknown. A Sunday, eight in the morning. */
export interface GivenFacts extends Partial<Omit<Facts, "owner">> {
  language?: "en" | "de";
  name?: string | null;
}

/** The facts of a day about which only what a test is about is known. */
export function factsOf({ language = "en", name = null, ...given }: GivenFacts = {}): Facts {
  return {
    owner: {
      owner: "owner",
      name,
      language,
      timezone: "UTC",
      voice_id: null,
      model: "eleven_flash_v2_5",
      chat_id: null,
    },
    day: "2026-11-22",
    hour: 8,
    tasks: null,
    yesterday: null,
    week: null,
    affirmation: null,
    ...given,
  };
}

/** A day with something for every rule. */
export const FULL_DAY: GivenFacts = {
  name: "Anna",
  tasks: {
    open: 12,
    top: [
      { title: "Call the dentist at 14:30", due_on: "2026-11-22" },
      { title: "Send invoice #42", due_on: "2026-11-19" },
      { title: "Plan the garden", due_on: "2026-12-24" },
    ],
  },
  yesterday: {
    summary: "Walked by the lake. Wrote 3 pages.",
    completed: 3,
    mood: 8,
    slept_minutes: 441,
    steps: 9012,
  },
  week: { is_over: false, completed: 9, mood: 6.6, slept_minutes: 400, days: 5, journal_days: 4 },
  affirmation: { id: "00000000-0000-4000-8000-000000000001", says: "Rest is part of the work." },
};
