/** German, as it is spoken. */
import { toCardinal, toOrdinal } from "n2words/de-DE";
import type {
  Due,
  Language,
  Pronunciation,
  Sentences,
  SpokenDay,
  TextReason,
  Week,
} from "./language.ts";

const WEEKDAYS = [
  "Sonntag",
  "Montag",
  "Dienstag",
  "Mittwoch",
  "Donnerstag",
  "Freitag",
  "Samstag",
];
const MONTHS = [
  "Januar",
  "Februar",
  "März",
  "April",
  "Mai",
  "Juni",
  "Juli",
  "August",
  "September",
  "Oktober",
  "November",
  "Dezember",
];
const PLACES = ["Am wichtigsten", "Danach", "Und dann"];
const REASONS: Readonly<Record<TextReason, string>> = {
  exhausted: "das Sprachguthaben dieses Monats ist aufgebraucht",
  share: "der heutige Anteil am Sprachguthaben ist zu klein",
  day: "das heutige Sprachbudget ist zu klein",
  month: "das Sprachbudget dieses Monats ist aufgebraucht",
  unconfigured: "es ist keine Stimme eingerichtet",
  refused: "der Sprachdienst hat abgelehnt",
  unavailable: "der Sprachdienst hat nicht geantwortet",
};

/** Before a noun, one is "ein", "eine" or "einem". */
function count(
  value: number,
  [one, noun, many]: [one: string, noun: string, many: string],
): string {
  return value === 1 ? `${one} ${noun}` : `${toCardinal(value)} ${many}`;
}

function year(value: number): string {
  if (value < 1100 || value > 1999) return toCardinal(value);
  const [century, rest] = [Math.floor(value / 100), value % 100];
  return `${toCardinal(century)}hundert${rest === 0 ? "" : toCardinal(rest)}`;
}

/** "der dritte Mai", "am dritten Mai": the ending is the sentence's to give. */
function day({ month, date, year: inYear }: SpokenDay, ending = ""): string {
  const spoken = `${toOrdinal(date)}${ending} ${MONTHS[month - 1]}`;
  return inYear === undefined ? spoken : `${spoken} ${year(inYear)}`;
}

function due(due: Due): string {
  switch (due.when) {
    case "today":
      return "heute fällig";
    case "tomorrow":
      return "morgen fällig";
    case "weekday":
      return `am ${WEEKDAYS[due.weekday]} fällig`;
    case "overdue_weekday":
      return `seit ${WEEKDAYS[due.weekday]} überfällig`;
    case "date":
      return `am ${day(due.day, "n")} fällig`;
    case "overdue_date":
      return `seit dem ${day(due.day, "n")} überfällig`;
  }
}

function week({ isOver, completed, journalDays }: Week): string {
  const did = [
    ...(completed > 0 ? [`${count(completed, ["eine", "Aufgabe", "Aufgaben"])} erledigt`] : []),
    ...(journalDays > 0
      ? [`an ${count(journalDays, ["einem", "Tag", "Tagen"])} Tagebuch geschrieben`]
      : []),
  ].join(" und ");
  return `${isOver ? "Letzte Woche" : "Diese Woche"} hast du ${isOver ? "" : "bisher "}${did}.`;
}

const sentences: Sentences = {
  greeting(hour, name) {
    const greeting = hour < 4
      ? "Hallo"
      : hour < 11
      ? "Guten Morgen"
      : hour < 18
      ? "Guten Tag"
      : "Guten Abend";
    return `${greeting}${name === null ? "" : `, ${name}`}.`;
  },
  today: (today) => `Heute ist ${WEEKDAYS[today.weekday]}, der ${day(today)}.`,
  openTasks: (number) =>
    number === 1 ? "Eine Aufgabe ist offen." : `Du hast ${toCardinal(number)} offene Aufgaben.`,
  noTasks: () => "Auf deiner Liste ist nichts offen.",
  task: (place, title, when) =>
    `${PLACES[place] ?? "Danach"}: ${title}${when === null ? "" : `, ${due(when)}`}.`,
  completedYesterday: (number) =>
    `Gestern hast du ${count(number, ["eine", "Aufgabe", "Aufgaben"])} erledigt.`,
  summary: (text) => `Über gestern hast du geschrieben: ${text}`,
  mood: (score) => `Deine Stimmung war gestern ${toCardinal(score)} von zehn.`,
  slept(minutes) {
    const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
    const parts = [
      ...(hours > 0 ? [count(hours, ["eine", "Stunde", "Stunden"])] : []),
      ...(rest > 0 || hours === 0 ? [count(rest, ["eine", "Minute", "Minuten"])] : []),
    ];
    return `In der Nacht davor hast du ${parts.join(" und ")} geschlafen.`;
  },
  steps: (number) =>
    `Gestern bist du etwa ${count(number, ["einen", "Schritt", "Schritte"])} gegangen.`,
  week,
  weekMood: (score, isOver) =>
    `Deine Stimmung ${isOver ? "lag letzte Woche" : "liegt diese Woche"} bei etwa ${
      toCardinal(score)
    } von zehn.`,
  little: () =>
    "Heute gibt es wenig zu berichten: Keine Aufgabe ist offen, und über gestern ist nichts geschrieben. " +
    "Schreib eine Sache auf, die dir wichtig ist, dann erinnere ich dich morgen daran.",
  closing(hour, weekday) {
    if (hour >= 22 || hour < 4) return "Hab eine gute Nacht.";
    if (hour >= 18) return "Hab einen schönen Abend.";
    return weekday === 0 || weekday === 6
      ? `Hab einen schönen ${WEEKDAYS[weekday]}.`
      : "Hab einen guten Tag.";
  },
  inWriting: (reason) => `(Heute schriftlich: ${REASONS[reason]}.)`,
  test: () => "Das ist die Stimme deines Briefings. Alles funktioniert.",
};

const MONEY: Readonly<Record<string, string>> = { EUR: "Euro", USD: "Dollar", GBP: "Pfund" };
const MONTH_NAMES = MONTHS.join("|");

const pronunciation: Pronunciation = {
  number: (value) => toCardinal(value),
  one: "ein",
  decimal: (whole, digits) => `${toCardinal(whole)} Komma ${pronunciation.digits(digits)}`,
  digits: (digits) => [...digits].map((digit) => toCardinal(Number(digit))).join(" "),
  day: (spoken) => day(spoken),
  time: (hour, minute) =>
    `${hour === 1 ? "ein" : toCardinal(hour)} Uhr${minute === 0 ? "" : ` ${toCardinal(minute)}`}`,
  money(whole, cents, currency) {
    const spoken = `${whole === 1 ? "ein" : toCardinal(whole)} ${MONEY[currency]}`;
    return cents === 0 ? spoken : `${spoken} ${toCardinal(cents)}`;
  },
  numberPattern: /\d{1,3}(?:,\d{3}){2,}|\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+,\d+|\d+\.\d+|\d+/g,
  parseNumber(written) {
    // "3.5" and "1,234,567" are no German numbers, but people write them
    const isEnglish = /^\d+\.\d{1,2}$|^\d+(?:,\d+){2,}$/.test(written);
    const [whole = "0", digits = ""] = isEnglish
      ? written.replaceAll(",", "").split(".")
      : written.replaceAll(".", "").split(",");
    return { whole: Number(whole), digits };
  },
  own(text) {
    const dative = (before: string) => /\b(?:am|dem|vom|zum|im|beim|ab|seit|den)\s*$/i.test(before);
    return text
      .replaceAll(/(\d{1,2}):([0-5]\d)\s+Uhr\b/g, "$1:$2")
      .replaceAll(/\b(\d{1,2})\s+Uhr\b/g, "$1:00")
      .replaceAll(/(?<![\d.,:])1(?=\s\p{Lu}\p{Ll})/gu, "ein") // of which gender, nobody says
      .replaceAll(
        /(?<!\d)(\d{1,2})\.\s?(\d{1,2})\.(?:\s?(\d{4}))?(?!\d)/g,
        (whole, date, month, inYear, at: number) => {
          if (Number(month) < 1 || Number(month) > 12 || Number(date) < 1 || Number(date) > 31) {
            return whole;
          }
          return day({
            date: Number(date),
            month: Number(month),
            ...(inYear === undefined ? {} : { year: Number(inYear) }),
          }, dative(text.slice(0, at)) ? "n" : "");
        },
      )
      .replaceAll(new RegExp(`(?<!\\d)(\\d{1,2})\\.\\s(${MONTH_NAMES})\\b`, "g"), (
        whole,
        date,
        month,
        at: number,
      ) => {
        const n = Number(date);
        if (n < 1 || n > 31) return whole;
        return `${toOrdinal(n)}${dative(text.slice(0, at)) ? "n" : ""} ${month}`;
      });
  },
  units: {
    km: ["Kilometer", "Kilometer"],
    kg: ["Kilogramm", "Kilogramm"],
    g: ["Gramm", "Gramm"],
    cm: ["Zentimeter", "Zentimeter"],
    m: ["Meter", "Meter"],
    l: ["Liter", "Liter"],
    h: ["Stunde", "Stunden"],
    min: ["Minute", "Minuten"],
    MB: ["Megabyte", "Megabyte"],
    GB: ["Gigabyte", "Gigabyte"],
    "°C": ["Grad", "Grad"],
    "°": ["Grad", "Grad"],
  },
  words: {
    and: "und",
    plus: "plus",
    at: "ät",
    dot: "Punkt",
    to: "bis",
    link: "ein Link",
    number: "Nummer",
    version: "Version",
    percent: "Prozent",
  },
};

/** German. */
export const GERMAN: Language = { code: "de", sentences, pronunciation };
