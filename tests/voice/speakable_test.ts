import assert from "node:assert/strict";
import { LANGUAGES } from "../../supabase/functions/strata-voice/language.ts";
import { asSentence, shorten, speakable } from "../../supabase/functions/strata-voice/speakable.ts";
import { HOSTILE_TEXTS } from "../support/bad_input.ts";

/** What is written, how it is said in English, and how in German. */
const SAID: [written: string, english: string, german: string][] = [
  ["Room 7", "Room seven", "Room sieben"],
  ["21 pages", "twenty-one pages", "einundzwanzig pages"],
  ["12345", "twelve thousand three hundred forty-five", "zwölftausenddreihundertfünfundvierzig"],
  ["007", "zero zero seven", "null null sieben"],
  ["4915123", "four nine one five one two three", "vier neun eins fünf eins zwei drei"],
  ["2 × 3.5", "two × three point five", "zwei × drei Komma fünf"],
  ["B2B", "B two B", "B zwei B"],
  ["10-12", "ten to twelve", "zehn bis zwölf"],
  ["10 – 12", "ten to twelve", "zehn bis zwölf"],
  ["v2.1.4", "version two dot one dot four", "Version zwei Punkt eins Punkt vier"],
  ["#42", "number forty-two", "Nummer zweiundvierzig"],
  ["50 %", "fifty percent", "fünfzig Prozent"],
  ["5km, 1 km", "five kilometres, one kilometre", "fünf Kilometer, ein Kilometer"],
  ["20 °C", "twenty degrees", "zwanzig Grad"],
  ["90 min", "ninety minutes", "neunzig Minuten"],
  ["€120", "one hundred twenty euros", "einhundertzwanzig Euro"],
  ["1 €", "one euro", "ein Euro"],
  ["12.50 EUR", "twelve euros fifty", "zwölf Euro fünfzig"],
  ["10 000 €", "ten thousand euros", "zehntausend Euro"],
  ["$5.05", "five dollars five", "fünf Dollar fünf"],
  ["£3", "three pounds", "drei Pfund"],
  ["14:30", "two thirty PM", "vierzehn Uhr dreißig"],
  ["0:05", "twelve oh five AM", "null Uhr fünf"],
  ["12:00", "noon", "zwölf Uhr"],
  ["1:00", "one AM", "ein Uhr"],
  ["23:59:59", "eleven fifty-nine PM", "dreiundzwanzig Uhr neunundfünfzig"],
  ["2026-11-22", "November twenty-second", "zweiundzwanzigste November"],
  [
    "2027-01-05",
    "January fifth, twenty twenty-seven",
    "fünfte Januar zweitausendsiebenundzwanzig",
  ],
  ["2026-11-22T09:00", "November twenty-second nine AM", "zweiundzwanzigste November neun Uhr"],
  ["this & that", "this and that", "this und that"],
  ["tea + milk", "tea plus milk", "tea plus milk"],
  ["and/or", "and or", "and or"],
  ["Plan (urgent) now", "Plan, urgent, now", "Plan, urgent, now"],
  ["a - b — c", "a, b, c", "a, b, c"],
  ["wait…", "wait.", "wait."],
  ["**bold** _it_ `code` ~~no~~ # x", "bold it code no x", "bold it code no x"],
  ["[list](https://x.example/y)", "list", "list"],
  ["see https://x.example/a?b=1 now", "see a link now", "see ein Link now"],
  ["a.b@ex.org", "a dot b at ex dot org", "a Punkt b ät ex Punkt org"],
  ["🎉 Party 👨‍👩‍👧 ❤️ 🇩🇪", "Party", "Party"],
  ["“quoted” „so“ «so»", "quoted so so", "quoted so so"],
  ["  spaces \t\n here ", "spaces here", "spaces here"],
  ["!!!", "", ""],
  ["", "", ""],
];

for (const [written, english, german] of SAID) {
  Deno.test(`"${written.trim()}" is said "${english}" and "${german}"`, () => {
    assert.equal(speakable(written, LANGUAGES.en, 2026), english);
    assert.equal(speakable(written, LANGUAGES.de, 2026), german);
  });
}

/** What only one language writes so. */
const OWN: ["en" | "de", string, string][] = [
  ["en", "2nd draft, 1st, 21ST", "second draft, first, twenty-first"],
  ["en", "at 9pm and 9:30 a.m.", "at nine PM and nine thirty AM"],
  ["en", "12am or 12 pm", "twelve AM or noon"],
  [
    "en",
    "1,234,567 and 1,234.5",
    "one million two hundred thirty-four thousand five hundred sixty-seven and " +
    "one thousand two hundred thirty-four point five",
  ],
  ["de", "am 3. Dezember", "am dritten Dezember"],
  ["de", "3. Dezember", "dritte Dezember"],
  [
    "de",
    "vom 1.12. bis zum 3.12.2027",
    "vom ersten Dezember bis zum dritten Dezember zweitausendsiebenundzwanzig",
  ],
  ["de", "um 9:00 Uhr, 15 Uhr", "um neun Uhr, fünfzehn Uhr"],
  ["de", "1.234,56 €", "eintausendzweihundertvierunddreißig Euro sechsundfünfzig"],
  ["de", "3,5 Stunden", "drei Komma fünf Stunden"],
  ["de", "1 Apfel", "ein Apfel"],
  ["de", "am 45.13. nichts", "am fünfundvierzig Komma eins drei. nichts"],
];

for (const [code, written, said] of OWN) {
  Deno.test(`in ${code}, "${written}" is said "${said}"`, () => {
    assert.equal(speakable(written, LANGUAGES[code], 2026), said);
  });
}

Deno.test("nothing that a voice stumbles over is left, whatever comes in", () => {
  const odd = [
    ...HOSTILE_TEXTS,
    "\u0000\u200b\u202e",
    "1".repeat(400),
    "9".repeat(16) + ".5 €",
    "-".repeat(50),
  ];
  for (const text of odd) {
    for (const language of Object.values(LANGUAGES)) {
      const said = speakable(text, language, 2026);
      assert.doesNotMatch(said, /[\d*_`#<>{}|\\]|\p{Extended_Pictographic}|\p{Cc}|\p{Cf}/u, said);
    }
  }
});

Deno.test("years are said as people say them", () => {
  const year = (code: "en" | "de", inYear: number) =>
    LANGUAGES[code].pronunciation.day({ month: 5, date: 1, year: inYear });
  assert.deepEqual([2005, 2010, 1984, 1900, 1905].map((of) => year("en", of)), [
    "May first, two thousand five",
    "May first, twenty ten",
    "May first, nineteen eighty-four",
    "May first, nineteen hundred",
    "May first, nineteen oh five",
  ]);
  assert.deepEqual([2005, 1984, 1900].map((of) => year("de", of)), [
    "erste Mai zweitausendfünf",
    "erste Mai neunzehnhundertvierundachtzig",
    "erste Mai neunzehnhundert",
  ]);
});

Deno.test("a long text is cut after a sentence, else after a word, and never in a letter", () => {
  assert.equal(shorten("short", 10), "short");
  assert.equal(shorten("One. Two three four five.", 12), "One.");
  assert.equal(shorten("One. Two three four five.", 15), "One. Two three");
  assert.equal(shorten("alpha beta, gamma", 12), "alpha beta");
  assert.equal(shorten("x".repeat(20), 5), "xxxxx");
  assert.equal(shorten("𝒳".repeat(20), 5), "𝒳".repeat(5));
  assert.equal(asSentence("Done"), "Done.");
  assert.equal(asSentence("Done?"), "Done?");
});
