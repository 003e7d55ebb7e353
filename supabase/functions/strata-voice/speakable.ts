/**
 * Written text, as people type it into a task or a summary, turned into what can be read aloud: numbers,
 * dates, times and amounts as words, and nothing that a voice stumbles over.
 */
import type { Currency, Language, Pronunciation } from "./language.ts";

const CURRENCIES: Readonly<Record<string, Currency>> = {
  "€": "EUR",
  EUR: "EUR",
  $: "USD",
  USD: "USD",
  "£": "GBP",
  GBP: "GBP",
};
/** A number in either country's way of writing. */
const AMOUNT = String.raw`\d+(?:[.,]\d+)*`;
const SIGN = String.raw`€|EUR|\$|USD|£|GBP`;

/** Nobody counts further than this; what is longer is said digit by digit. */
const LARGEST_NUMBER = 999_999_999_999;

/** Turns written text into speakable text. `thisYear` is not said with a date. */
export function speakable(text: string, language: Language, thisYear: number): string {
  const { pronunciation } = language;
  let spoken = joinThousands(withoutMarkup(text, pronunciation));
  spoken = dates(spoken, pronunciation, thisYear);
  spoken = pronunciation.own(spoken);
  spoken = times(spoken, pronunciation);
  spoken = amounts(spoken, pronunciation);
  spoken = numbers(spoken, pronunciation);
  return tidy(spoken, pronunciation);
}

function withoutMarkup(text: string, { words }: Pronunciation): string {
  return text.normalize("NFC")
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1") // Markdown's links
    .replaceAll(/\b(?:https?:\/\/|www\.)\S+/gi, ` ${words.link} `)
    .replaceAll(
      /\b([\w.+-]+)@([\w-]+(?:\.[\w-]+)+)\b/g,
      (_, name, host) =>
        `${name} ${words.at} ${host}`.replaceAll(/(?<=\w)\.(?=\w)/g, ` ${words.dot} `),
    )
    .replaceAll(/<\/?[a-z][^<>]*>/gi, " ")
    .replaceAll(/\p{Extended_Pictographic}|[\u{1F1E6}-\u{1F1FF}\u{1F3FB}-\u{1F3FF}]/gu, " ")
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u{FE00}-\u{FE0F}\u{20E3}]/gu, " ")
    .replaceAll(/[’‘]/g, "'")
    .replaceAll(/#(?=\d)/g, `${words.number} `)
    .replaceAll(/\bv\.?\s?(?=\d)/gi, `${words.version} `);
}

/** 10 000 € is one number; 10 000 without a sign may be two. */
function joinThousands(text: string): string {
  return text
    .replaceAll(/(?<=\d)[\u00a0\u202f](?=\d{3}(?!\d))/g, "")
    .replaceAll(
      new RegExp(`(?<![\\d.,])\\d{1,3}(?: \\d{3})+(?=\\s?(?:${SIGN}))`, "g"),
      (number) => number.replaceAll(" ", ""),
    );
}

/** 2026-11-22 and 2026-11-22T09:00; other ways of writing a date belong to a language. */
function dates(text: string, { day }: Pronunciation, thisYear: number): string {
  return text.replaceAll(
    /\b(\d{4})-(\d{2})-(\d{2})(?:T(?=\d{2}:\d{2}))?/g,
    (whole, year, month, date) => {
      const parsed = new Date(`${year}-${month}-${date}T00:00:00Z`);
      if (Number.isNaN(parsed.getTime()) || parsed.getUTCDate() !== Number(date)) return whole;
      return `${
        day({
          month: Number(month),
          date: Number(date),
          ...(Number(year) === thisYear ? {} : { year: Number(year) }),
        })
      } `;
    },
  );
}

function times(text: string, { time }: Pronunciation): string {
  return text.replaceAll(
    /(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?(?![\d:])/g,
    (_, hour, minute) => time(Number(hour), Number(minute)),
  );
}

/** Money, percent and units, each with its number. */
function amounts(text: string, pronunciation: Pronunciation): string {
  const { money, words, units } = pronunciation;
  const spokenMoney = (amount: string, sign: string) => {
    const { whole, digits } = pronunciation.parseNumber(amount);
    const currency = CURRENCIES[sign];
    if (currency === undefined || whole > LARGEST_NUMBER) return `${amount} ${sign}`;
    return money(whole, Number(digits.slice(0, 2).padEnd(2, "0")), currency);
  };
  const unit = Object.keys(units).sort((a, b) => b.length - a.length).join("|");
  return text
    .replaceAll(new RegExp(`(${SIGN})\\s?(${AMOUNT})`, "g"), (_, s, n) => spokenMoney(n, s))
    .replaceAll(
      new RegExp(`(${AMOUNT})\\s?(${SIGN})(?!\\w)`, "g"),
      (_, n, s) => spokenMoney(n, s),
    )
    .replaceAll(new RegExp(`(${AMOUNT})\\s?%`, "g"), (_, n) => `${n} ${words.percent}`)
    .replaceAll(new RegExp(`\\b(${AMOUNT})\\s?(${unit})(?![\\w°])`, "g"), (_, n, name) => {
      const { whole, digits } = pronunciation.parseNumber(n);
      const [one = name, many = name] = units[name] ?? [];
      return whole === 1 && digits === "" ? `${pronunciation.one} ${one}` : `${n} ${many}`;
    });
}

function numbers(text: string, pronunciation: Pronunciation): string {
  const { words, digits, numberPattern } = pronunciation;
  return text
    .replaceAll(/(\d)\s?[-–]\s?(?=\d)/g, `$1 ${words.to} `)
    .replaceAll(
      /\d+(?:\.\d+){2,}/g, // 2.1.4, 10.0.0.1
      (version) =>
        /^\d{1,3}(?:\.\d{3})+$/.test(version)
          ? version
          : version.split(".").map((part) => spell(part, pronunciation)).join(` ${words.dot} `),
    )
    .replaceAll(/(?<=\p{L})(?=\d)|(?<=\d)(?=\p{L})/gu, " ")
    .replaceAll(numberPattern, (written) => {
      if (/^0\d/.test(written) || /^\d{7,}$/.test(written)) { // telephones, orders, tickets
        return digits(written.replaceAll(/\D/g, ""));
      }
      const { whole, digits: after } = pronunciation.parseNumber(written);
      if (whole > LARGEST_NUMBER) return digits(written.replaceAll(/\D/g, ""));
      return after === "" ? pronunciation.number(whole) : pronunciation.decimal(whole, after);
    });
}

function spell(part: string, pronunciation: Pronunciation): string {
  return part.length > 6 || /^0\d/.test(part)
    ? pronunciation.digits(part)
    : pronunciation.number(Number(part));
}

/** Signs that are words, signs that are pauses, and signs that are nothing. */
function tidy(text: string, { words }: Pronunciation): string {
  return text
    .replaceAll(/\s*&\s*/g, ` ${words.and} `)
    .replaceAll(/\s*\+\s*/g, ` ${words.plus} `)
    .replaceAll(/\s*@\s*/g, ` ${words.at} `)
    .replaceAll(/[*_`~#|<>{}\[\]^=\\"“”„«»%°•·]/g, " ")
    .replaceAll(/\s[-–—]+\s|—|\s*[()]\s*/g, ", ")
    .replaceAll(/[/–]/g, " ")
    .replaceAll(/…|\.{2,}/g, ".")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/(?:\s*,)+\s*(?=[,.;:!?]|$)/g, "")
    .replaceAll(/\s+([,.;:!?])/g, "$1")
    .replaceAll(/^[\s,.;:!?-]+|[\s,;:-]+$/g, "");
}

/** Cuts a text after its last whole sentence that fits, else after its last whole word. */
export function shorten(text: string, most: number): string {
  const letters = [...text];
  if (letters.length <= most) return text;
  const cut = letters.slice(0, most + 1).join("");
  const sentence = /^.*[.!?](?=\s)/su.exec(cut)?.[0];
  if (sentence !== undefined && [...sentence].length >= most / 3) return sentence;
  const word = cut.replace(/\s+\S*$/u, "");
  return (word === cut ? letters.slice(0, most).join("") : word).replace(/[\s,;:.!?-]+$/u, "");
}

/** A text as one sentence: a full stop at its end unless it ends in one of its own. */
export function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
