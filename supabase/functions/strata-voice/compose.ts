/**
 * What is said in the morning: one rule for each sentence. A rule looks at the facts and says its
 * sentence, or nothing; its importance decides which sentences stay when there is not room for all.
 */
import { type Due, type Language, LANGUAGES, type SpokenDay } from "./language.ts";
import { asSentence, shorten, speakable } from "./speakable.ts";
import type { Facts } from "../_strata/protocol/strata_voice.ts";

/** One sentence of a briefing. */
export interface Sentence {
  rule: RuleName;
  /** The least important sentence is the first to go. */
  importance: number;
  text: string;
}

/** The rules by name, in the order in which their sentences are said. */
export type RuleName = keyof typeof RULES;

/** What a rule looks at. */
interface View {
  facts: Facts;
  language: Language;
  weekday: number;
  year: number;
}

interface Rule {
  importance: number;
  say(view: View): string | undefined;
}

const TITLE_LENGTH = 90;
const NAME_LENGTH = 60;
const SUMMARY_LENGTH = 180;
const DAY_MS = 86_400_000;

const RULES = {
  greeting: {
    importance: 100,
    say({ facts: { hour, owner }, language, year }) {
      const name = speakable(owner.name ?? "", language, year).replace(/[.!?]+$/, "");
      return language.sentences.greeting(hour, name === "" ? null : shorten(name, NAME_LENGTH));
    },
  },
  today: {
    importance: 40,
    say: ({ facts, language, weekday }) =>
      language.sentences.today({ ...calendarDay(facts.day), weekday }),
  },
  little: {
    importance: 95,
    say: ({ facts, language }) => isLittle(facts) ? language.sentences.little() : undefined,
  },
  openTasks: {
    importance: 60,
    say({ facts, language: { sentences } }) {
      if (facts.tasks === null || isLittle(facts)) return undefined;
      return facts.tasks.open === 0 ? sentences.noTasks() : sentences.openTasks(facts.tasks.open);
    },
  },
  firstTask: { importance: 90, say: (view) => task(view, 0) },
  secondTask: { importance: 80, say: (view) => task(view, 1) },
  thirdTask: { importance: 70, say: (view) => task(view, 2) },
  completedYesterday: {
    importance: 65,
    say: ({ facts: { yesterday }, language }) =>
      counted(yesterday?.completed, (n) => language.sentences.completedYesterday(n)),
  },
  summary: {
    importance: 75,
    say({ facts, language, year }) {
      const spoken = speakable(facts.yesterday?.summary ?? "", language, year);
      if (spoken === "") return undefined;
      return language.sentences.summary(asSentence(shorten(spoken, SUMMARY_LENGTH)));
    },
  },
  mood: {
    importance: 25,
    say: ({ facts: { yesterday }, language }) =>
      counted(yesterday?.mood, (n) => language.sentences.mood(n)),
  },
  slept: {
    importance: 20,
    say: ({ facts: { yesterday }, language }) =>
      counted(yesterday?.slept_minutes, (n) => language.sentences.slept(roundTo(n, 5))),
  },
  steps: {
    importance: 15,
    say: ({ facts: { yesterday }, language }) =>
      counted(yesterday?.steps, (n) => language.sentences.steps(roundTo(n, n < 1000 ? 10 : 500))),
  },
  week: {
    importance: 50,
    say({ facts: { week }, language }) {
      const { completed, journal_days: journalDays, is_over: isOver } = week ?? {};
      if (!((completed ?? 0) > 0 || (journalDays ?? 0) > 0)) return undefined;
      return language.sentences.week({
        isOver: isOver ?? false,
        completed: completed ?? 0,
        journalDays: journalDays ?? 0,
      });
    },
  },
  weekMood: {
    importance: 10,
    // of two days or more: the mood of one is yesterday's
    say({ facts: { week }, language }) {
      if (week === null || (week.days ?? 0) < 2) return undefined;
      return counted(
        Math.round(week.mood ?? 0),
        (n) => language.sentences.weekMood(n, week.is_over ?? false),
      );
    },
  },
  affirmation: {
    importance: 55,
    say({ facts: { affirmation }, language, year }) {
      const spoken = speakable(affirmation?.says ?? "", language, year);
      return spoken === "" ? undefined : asSentence(spoken);
    },
  },
  closing: {
    importance: 35,
    say: ({ facts: { hour }, language, weekday }) => language.sentences.closing(hour, weekday),
  },
} as const satisfies Record<string, Rule>;

/** The whole briefing, sentence by sentence. */
export function compose(facts: Facts): Sentence[] {
  const view: View = {
    facts,
    language: LANGUAGES[facts.owner.language],
    weekday: new Date(`${facts.day}T00:00:00Z`).getUTCDay(),
    year: Number(facts.day.slice(0, 4)),
  };
  const rules: [string, Rule][] = Object.entries(RULES);
  return rules.flatMap(([name, { importance, say }]) => {
    const text = say(view);
    return text === undefined || !isRule(name) ? [] : [{ rule: name, importance, text }];
  });
}

/** Leaves out the least important sentences until the rest fits; undefined when too little would be left. */
export function fit(sentences: readonly Sentence[], most: number): Sentence[] | undefined {
  let kept = [...sentences];
  while (characters(textOf(kept)) > most) {
    const least = Math.min(...kept.map(({ importance }) => importance));
    kept = kept.filter(({ importance }) => importance !== least);
    if (kept.every(({ rule }) => rule === "greeting")) return undefined;
  }
  return kept;
}

/** The sentences as one text. */
export function textOf(sentences: readonly Sentence[]): string {
  return sentences.map(({ text }) => text).join(" ");
}

/** How many characters a text has, as they are billed. */
export function characters(text: string): number {
  return [...text].length;
}

/** What a text is: its characters and words, and about how long it takes to say it. */
export function measure(text: string): { characters: number; words: number; seconds: number } {
  const length = characters(text);
  return {
    characters: length,
    words: text.split(/\s+/).filter((word) => word !== "").length,
    seconds: Math.round(length / CHARACTERS_PER_SECOND),
  };
}

/** At an unhurried pace, in either language. */
const CHARACTERS_PER_SECOND = 15;

function isRule(name: string): name is RuleName {
  return name in RULES;
}

function task({ facts, language, year }: View, place: number): string | undefined {
  const found = facts.tasks?.top[place];
  const title = speakable(found?.title ?? "", language, year);
  if (found === undefined || title === "") return undefined;
  const said = shorten(title, TITLE_LENGTH).replace(/[.!]+$/, "");
  return language.sentences.task(place, said, dueOf(found.due_on, facts.day));
}

/** Due today, on Friday, on the third of May: as seen from a day. */
export function dueOf(due: string | null, today: string): Due | null {
  if (due === null) return null;
  const days = Math.round((Date.parse(due) - Date.parse(today)) / DAY_MS);
  if (days === 0) return { when: "today" };
  if (days === 1) return { when: "tomorrow" };
  const weekday = new Date(due).getUTCDay();
  const day = calendarDay(due, today);
  if (days < 0) {
    return days > -7 ? { when: "overdue_weekday", weekday } : { when: "overdue_date", day };
  }
  return days < 7 ? { when: "weekday", weekday } : { when: "date", day };
}

function calendarDay(day: string, today = day): SpokenDay {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  return { month, date, ...(day.slice(0, 4) === today.slice(0, 4) ? {} : { year }) };
}

/** Nothing planned, nothing written: a briefing of numbers that are all zero would be none. */
function isLittle({ tasks, yesterday, week }: Facts): boolean {
  return (tasks?.open ?? 0) === 0 && (yesterday?.summary ?? "") === "" &&
    (yesterday?.completed ?? 0) === 0 && (week?.completed ?? 0) === 0;
}

function counted(value: number | null | undefined, say: (n: number) => string): string | undefined {
  return value === null || value === undefined || value <= 0 ? undefined : say(value);
}

function roundTo(value: number, step: number): number {
  return Math.max(Math.round(value / step) * step, step);
}
