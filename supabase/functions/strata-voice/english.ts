/** English, as it is spoken. */
import { toCardinal, toOrdinal } from "n2words/en-US";
import type {
  Due,
  Language,
  Pronunciation,
  Sentences,
  SpokenDay,
  TextReason,
  Week,
} from "./language.ts";

const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const PLACES = ["Most important", "Then", "And after that"];
const REASONS: Readonly<Record<TextReason, string>> = {
  exhausted: "this month's voice credits are used up",
  share: "today's share of the voice credits is too small",
  day: "today's voice budget is too small",
  month: "this month's voice budget is used up",
  unconfigured: "no voice is set up",
  refused: "the voice service refused",
  unavailable: "the voice service did not answer",
};

function count(value: number, one: string, many: string): string {
  return `${toCardinal(value)} ${value === 1 ? one : many}`;
}

function year(value: number): string {
  const [century, rest] = [Math.floor(value / 100), value % 100];
  if (value < 1100 || value > 2099 || (value >= 2000 && value < 2010)) return toCardinal(value);
  if (rest === 0) return `${toCardinal(century)} hundred`;
  return `${toCardinal(century)} ${rest < 10 ? "oh " : ""}${toCardinal(rest)}`;
}

function day({ month, date, year: inYear }: SpokenDay): string {
  const spoken = `${MONTHS[month - 1]} ${toOrdinal(date)}`;
  return inYear === undefined ? spoken : `${spoken}, ${year(inYear)}`;
}

function due(due: Due): string {
  switch (due.when) {
    case "today":
      return "due today";
    case "tomorrow":
      return "due tomorrow";
    case "weekday":
      return `due on ${WEEKDAYS[due.weekday]}`;
    case "overdue_weekday":
      return `overdue since ${WEEKDAYS[due.weekday]}`;
    case "date":
      return `due on ${day(due.day)}`;
    case "overdue_date":
      return `overdue since ${day(due.day)}`;
  }
}

function week({ isOver, completed, journalDays }: Week): string {
  const did = [
    ...(completed > 0 ? [`finished ${count(completed, "task", "tasks")}`] : []),
    ...(journalDays > 0 ? [`written in your journal on ${count(journalDays, "day", "days")}`] : []),
  ].join(" and ");
  return isOver ? `Last week you ${did}.` : `This week so far you have ${did}.`;
}

const sentences: Sentences = {
  greeting(hour, name) {
    const greeting = hour < 4
      ? "Hello"
      : hour < 12
      ? "Good morning"
      : hour < 18
      ? "Good afternoon"
      : "Good evening";
    return `${greeting}${name === null ? "" : `, ${name}`}.`;
  },
  today: (today) => `It is ${WEEKDAYS[today.weekday]}, ${day(today)}.`,
  openTasks: (number) =>
    number === 1 ? "One task is open." : `You have ${toCardinal(number)} open tasks.`,
  noTasks: () => "Nothing is open on your list.",
  task: (place, title, when) =>
    `${PLACES[place] ?? "Then"}: ${title}${when === null ? "" : `, ${due(when)}`}.`,
  completedYesterday: (number) => `Yesterday you finished ${count(number, "task", "tasks")}.`,
  summary: (text) => `About yesterday you wrote: ${text}`,
  mood: (score) => `Yesterday's mood was ${toCardinal(score)} out of ten.`,
  slept(minutes) {
    const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
    const parts = [
      ...(hours > 0 ? [count(hours, "hour", "hours")] : []),
      ...(rest > 0 || hours === 0 ? [count(rest, "minute", "minutes")] : []),
    ];
    return `The night before, you slept ${parts.join(" and ")}.`;
  },
  steps: (number) => `You walked about ${count(number, "step", "steps")} yesterday.`,
  week,
  weekMood: (score, isOver) =>
    `Your mood ${isOver ? "last week was" : "this week has been"} around ${
      toCardinal(score)
    } out of ten.`,
  little: () =>
    "There is little to tell today: no task is open, and nothing is written about yesterday. " +
    "Write down one thing that matters, and tomorrow I will remind you of it.",
  closing(hour, weekday) {
    if (hour >= 22 || hour < 4) return "Have a good night.";
    if (hour >= 18) return "Have a good evening.";
    return weekday === 0 || weekday === 6 ? `Enjoy your ${WEEKDAYS[weekday]}.` : "Have a good day.";
  },
  inWriting: (reason) => `(In writing today: ${REASONS[reason]}.)`,
  test: () => "This is your briefing's voice. Everything works.",
};

function money(whole: number, cents: number, names: [string, string]): string {
  const spoken = count(whole, ...names);
  return cents === 0 ? spoken : `${spoken} ${toCardinal(cents)}`;
}

const MONEY: Readonly<Record<string, [string, string]>> = {
  EUR: ["euro", "euros"],
  USD: ["dollar", "dollars"],
  GBP: ["pound", "pounds"],
};

const pronunciation: Pronunciation = {
  number: (value) => toCardinal(value),
  one: "one",
  decimal: (whole, digits) => `${toCardinal(whole)} point ${pronunciation.digits(digits)}`,
  digits: (digits) => [...digits].map((digit) => toCardinal(Number(digit))).join(" "),
  day,
  time(hour, minute) {
    if (hour === 12 && minute === 0) return "noon";
    const of = hour % 12 === 0 ? 12 : hour % 12;
    const minutes = minute === 0 ? "" : ` ${minute < 10 ? "oh " : ""}${toCardinal(minute)}`;
    return `${toCardinal(of)}${minutes} ${hour < 12 ? "AM" : "PM"}`;
  },
  money: (whole, cents, currency) => money(whole, cents, MONEY[currency] ?? ["", ""]),
  numberPattern: /\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\d+/g,
  parseNumber(written) {
    const [whole = "0", digits = ""] = written.replaceAll(",", "").split(".");
    return { whole: Number(whole), digits };
  },
  own: (text) =>
    text
      .replaceAll(/\b(\d{1,2})(?::([0-5]\d))?\s?([ap])\.?m\b\.?/gi, (whole, h, m, half) => {
        const hour = Number(h) % 12 + (half.toLowerCase() === "p" ? 12 : 0);
        return Number(h) > 12 ? whole : pronunciation.time(hour, Number(m ?? 0));
      })
      .replaceAll(/\b(\d{1,6})(?:st|nd|rd|th)\b/gi, (whole, digits) => {
        return Number(digits) > 0 ? toOrdinal(Number(digits)) : whole;
      }),
  units: {
    km: ["kilometre", "kilometres"],
    kg: ["kilogram", "kilograms"],
    g: ["gram", "grams"],
    cm: ["centimetre", "centimetres"],
    m: ["metre", "metres"],
    l: ["litre", "litres"],
    h: ["hour", "hours"],
    min: ["minute", "minutes"],
    MB: ["megabyte", "megabytes"],
    GB: ["gigabyte", "gigabytes"],
    "°C": ["degree", "degrees"],
    "°": ["degree", "degrees"],
  },
  words: {
    and: "and",
    plus: "plus",
    at: "at",
    dot: "dot",
    to: "to",
    link: "a link",
    number: "number",
    version: "version",
    percent: "percent",
  },
};

/** English. */
export const ENGLISH: Language = { code: "en", sentences, pronunciation };
