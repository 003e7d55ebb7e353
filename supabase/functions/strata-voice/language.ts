/** What a language must know so that a briefing can be spoken in it. english.ts and german.ts know it. */
import { ENGLISH } from "./english.ts";
import { GERMAN } from "./german.ts";

/** The languages there are. */
export type LanguageCode = "en" | "de";

/** When something is to be done, as people say it. */
export type Due =
  | { when: "today" | "tomorrow" }
  /** A day of the coming week, or of the past one when it is overdue: its name is enough. */
  | { when: "weekday" | "overdue_weekday"; weekday: number }
  | { when: "date" | "overdue_date"; day: SpokenDay };

/** A day of the calendar; the year only where it is not this one. */
export interface SpokenDay {
  month: number;
  date: number;
  year?: number;
}

/** What happened in a week. */
export interface Week {
  isOver: boolean;
  completed: number;
  journalDays: number;
}

/** Why a briefing is written instead of spoken. */
export type TextReason =
  | "exhausted"
  | "share"
  | "day"
  | "month"
  | "unconfigured"
  | "refused"
  | "unavailable";

/** The sentences of a briefing. Each ends with its full stop; numbers are written as words. */
export interface Sentences {
  greeting(hour: number, name: string | null): string;
  today(day: SpokenDay & { weekday: number }): string;
  openTasks(count: number): string;
  noTasks(): string;
  task(place: number, title: string, due: Due | null): string;
  completedYesterday(count: number): string;
  summary(text: string): string;
  mood(score: number): string;
  slept(minutes: number): string;
  steps(count: number): string;
  week(week: Week): string;
  weekMood(score: number, isOver: boolean): string;
  little(): string;
  closing(hour: number, weekday: number): string;
  /** Said below a briefing that could not be spoken. */
  inWriting(reason: TextReason): string;
  test(): string;
}

/** How written things are said aloud. */
export interface Pronunciation {
  number(value: number): string;
  /** One of a unit. */
  one: string;
  /** Digits after the decimal point are said one by one. */
  decimal(whole: number, digits: string): string;
  digits(digits: string): string;
  day(day: SpokenDay): string;
  time(hour: number, minute: number): string;
  money(whole: number, cents: number, currency: Currency): string;
  /** The written form of a number: "12,345.6" or "12.345,6". */
  numberPattern: RegExp;
  parseNumber(written: string): { whole: number; digits: string };
  /** Rules for this language's own ways of writing, tried before the common ones. */
  own(text: string): string;
  units: Readonly<Record<string, [one: string, many: string]>>;
  words: Readonly<
    Record<"and" | "plus" | "at" | "dot" | "to" | "link" | "number" | "version" | "percent", string>
  >;
}

/** The currencies whose signs are read aloud. */
export type Currency = "EUR" | "USD" | "GBP";

/** Everything about a language. */
export interface Language {
  code: LanguageCode;
  sentences: Sentences;
  pronunciation: Pronunciation;
}

/** The languages by code. */
export const LANGUAGES: Readonly<Record<LanguageCode, Language>> = { en: ENGLISH, de: GERMAN };
