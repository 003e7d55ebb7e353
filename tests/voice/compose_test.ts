import assert from "node:assert/strict";
import {
  compose,
  dueOf,
  fit,
  measure,
  type RuleName,
  textOf,
} from "../../supabase/functions/strata-voice/compose.ts";
import { LANGUAGES, type TextReason } from "../../supabase/functions/strata-voice/language.ts";
import { factsOf, FULL_DAY, type GivenFacts } from "../support/facts.ts";

const top = (...titles: string[]) => titles.map((title) => ({ title, due_on: null }));

/** What a rule says of some facts, in either language; null: nothing. */
const RULES: [RuleName, GivenFacts, english: string | null, german: string | null][] = [
  ["greeting", {}, "Good morning.", "Guten Morgen."],
  ["greeting", { name: "Anna" }, "Good morning, Anna.", "Guten Morgen, Anna."],
  ["greeting", { hour: 0 }, "Hello.", "Hallo."],
  ["greeting", { hour: 5 }, "Good morning.", "Guten Morgen."],
  ["greeting", { hour: 11 }, "Good morning.", "Guten Tag."],
  ["greeting", { hour: 12 }, "Good afternoon.", "Guten Tag."],
  ["greeting", { hour: 18 }, "Good evening.", "Guten Abend."],
  [
    "today",
    {},
    "It is Sunday, November twenty-second.",
    "Heute ist Sonntag, der zweiundzwanzigste November.",
  ],
  [
    "today",
    { day: "2028-02-29" },
    "It is Tuesday, February twenty-ninth.",
    "Heute ist Dienstag, der neunundzwanzigste Februar.",
  ],
  [
    "openTasks",
    { tasks: { open: 12, top: [] } },
    "You have twelve open tasks.",
    "Du hast zwölf offene Aufgaben.",
  ],
  ["openTasks", { tasks: { open: 1, top: [] } }, "One task is open.", "Eine Aufgabe ist offen."],
  [
    "openTasks",
    { tasks: { open: 0, top: [] }, yesterday: { completed: 1 } },
    "Nothing is open on your list.",
    "Auf deiner Liste ist nichts offen.",
  ],
  ["openTasks", { tasks: null, yesterday: { completed: 1 } }, null, null],
  ["openTasks", { tasks: { open: 0, top: [], trouble: "x" } }, null, null],
  [
    "firstTask",
    { tasks: { open: 1, top: top("Call Max") } },
    "Most important: Call Max.",
    "Am wichtigsten: Call Max.",
  ],
  ["firstTask", { tasks: { open: 0, top: [] } }, null, null],
  ["firstTask", { tasks: { open: 1, top: top("🎉") } }, null, null],
  [
    "firstTask",
    { tasks: { open: 1, top: top("Pay 3 bills!") } },
    "Most important: Pay three bills.",
    "Am wichtigsten: Pay drei bills.",
  ],
  [
    "firstTask",
    { tasks: { open: 1, top: [{ title: "Call Max", due_on: "2026-11-22" }] } },
    "Most important: Call Max, due today.",
    "Am wichtigsten: Call Max, heute fällig.",
  ],
  [
    "secondTask",
    { tasks: { open: 2, top: top("a", "Call Max") } },
    "Then: Call Max.",
    "Danach: Call Max.",
  ],
  [
    "thirdTask",
    { tasks: { open: 3, top: top("a", "b", "Call Max") } },
    "And after that: Call Max.",
    "Und dann: Call Max.",
  ],
  [
    "completedYesterday",
    { yesterday: { completed: 3 } },
    "Yesterday you finished three tasks.",
    "Gestern hast du drei Aufgaben erledigt.",
  ],
  [
    "completedYesterday",
    { yesterday: { completed: 1 } },
    "Yesterday you finished one task.",
    "Gestern hast du eine Aufgabe erledigt.",
  ],
  ["completedYesterday", { yesterday: { completed: 0, summary: "x" } }, null, null],
  [
    "summary",
    { yesterday: { summary: "Walked by the lake. Wrote 3 pages" } },
    "About yesterday you wrote: Walked by the lake. Wrote three pages.",
    "Über gestern hast du geschrieben: Walked by the lake. Wrote drei pages.",
  ],
  ["summary", { yesterday: { summary: " ✨ " } }, null, null],
  ["summary", { yesterday: {} }, null, null],
  [
    "mood",
    { yesterday: { mood: 8 } },
    "Yesterday's mood was eight out of ten.",
    "Deine Stimmung war gestern acht von zehn.",
  ],
  ["mood", { yesterday: { mood: null } }, null, null],
  [
    "slept",
    { yesterday: { slept_minutes: 441 } },
    "The night before, you slept seven hours and twenty minutes.",
    "In der Nacht davor hast du sieben Stunden und zwanzig Minuten geschlafen.",
  ],
  [
    "slept",
    { yesterday: { slept_minutes: 61 } },
    "The night before, you slept one hour.",
    "In der Nacht davor hast du eine Stunde geschlafen.",
  ],
  [
    "slept",
    { yesterday: { slept_minutes: 4 } },
    "The night before, you slept five minutes.",
    "In der Nacht davor hast du fünf Minuten geschlafen.",
  ],
  [
    "steps",
    { yesterday: { steps: 9012 } },
    "You walked about nine thousand steps yesterday.",
    "Gestern bist du etwa neuntausend Schritte gegangen.",
  ],
  [
    "steps",
    { yesterday: { steps: 404 } },
    "You walked about four hundred steps yesterday.",
    "Gestern bist du etwa vierhundert Schritte gegangen.",
  ],
  ["steps", { yesterday: { steps: 0 } }, null, null],
  [
    "week",
    { week: { completed: 9, journal_days: 4 } },
    "This week so far you have finished nine tasks and written in your journal on four days.",
    "Diese Woche hast du bisher neun Aufgaben erledigt und an vier Tagen Tagebuch geschrieben.",
  ],
  [
    "week",
    { week: { completed: 0, journal_days: 1 } },
    "This week so far you have written in your journal on one day.",
    "Diese Woche hast du bisher an einem Tag Tagebuch geschrieben.",
  ],
  [
    "week",
    { week: { completed: 1, is_over: true } },
    "Last week you finished one task.",
    "Letzte Woche hast du eine Aufgabe erledigt.",
  ],
  ["week", { week: { completed: 0, journal_days: 0 } }, null, null],
  [
    "weekMood",
    { week: { mood: 6.6, days: 5 } },
    "Your mood this week has been around seven out of ten.",
    "Deine Stimmung liegt diese Woche bei etwa sieben von zehn.",
  ],
  [
    "weekMood",
    { week: { mood: 6.4, days: 5, is_over: true } },
    "Your mood last week was around six out of ten.",
    "Deine Stimmung lag letzte Woche bei etwa sechs von zehn.",
  ],
  ["weekMood", { week: { mood: 6.4, days: 1 } }, null, null],
  ["weekMood", { week: { mood: null, days: 5 } }, null, null],
  [
    "affirmation",
    { affirmation: { id: "00000000-0000-4000-8000-000000000001", says: "I am 1 of a kind" } },
    "I am one of a kind.",
    "I am eins of a kind.",
  ],
  ["affirmation", {}, null, null],
  ["closing", {}, "Enjoy your Sunday.", "Hab einen schönen Sonntag."],
  ["closing", { day: "2026-11-23" }, "Have a good day.", "Hab einen guten Tag."],
  ["greeting", { hour: 4 }, "Good morning.", "Guten Morgen."],
  [
    "greeting",
    { name: "<b>Anna</b> [B.](https://x.example)" },
    "Good morning, Anna B.",
    "Guten Morgen, Anna B.",
  ],
  ["greeting", { name: "*" }, "Good morning.", "Guten Morgen."],
  ["closing", { day: "2026-11-23", hour: 4 }, "Have a good day.", "Hab einen guten Tag."],
  ["closing", { hour: 23 }, "Have a good night.", "Hab eine gute Nacht."],
  ["closing", { hour: 19 }, "Have a good evening.", "Hab einen schönen Abend."],
  ["little", { tasks: { open: 1, top: [] } }, null, null],
  ["little", { yesterday: { summary: "x" } }, null, null],
];

for (const [rule, given, english, german] of RULES) {
  Deno.test(`${rule} of ${JSON.stringify(given)} says "${english}", "${german}"`, () => {
    for (const [language, expected] of [["en", english], ["de", german]] as const) {
      const said = compose(factsOf({ ...given, language })).find((one) => one.rule === rule);
      assert.equal(said?.text ?? null, expected);
    }
  });
}

Deno.test("every rule is tested, and says something of a full day or of an empty one", () => {
  const tested = new Set(RULES.map(([rule]) => rule));
  const full = compose(factsOf(FULL_DAY)).map(({ rule }) => rule);
  const empty = compose(factsOf()).map(({ rule }) => rule);
  assert.deepEqual(new Set([...full, ...empty]), tested);
});

Deno.test("a full day, as it is said", () => {
  assert.equal(
    textOf(compose(factsOf(FULL_DAY))),
    "Good morning, Anna. It is Sunday, November twenty-second. You have twelve open tasks. " +
      "Most important: Call the dentist at two thirty PM, due today. " +
      "Then: Send invoice number forty-two, overdue since Thursday. " +
      "And after that: Plan the garden, due on December twenty-fourth. " +
      "Yesterday you finished three tasks. " +
      "About yesterday you wrote: Walked by the lake. Wrote three pages. " +
      "Yesterday's mood was eight out of ten. " +
      "The night before, you slept seven hours and twenty minutes. " +
      "You walked about nine thousand steps yesterday. " +
      "This week so far you have finished nine tasks and written in your journal on four days. " +
      "Your mood this week has been around seven out of ten. " +
      "Rest is part of the work. Enjoy your Sunday.",
  );
});

Deno.test("a day of which nothing is known has something sensible to say", () => {
  for (const given of [{}, { tasks: { open: 0, top: [] }, yesterday: { completed: 0 } }]) {
    const text = textOf(compose(factsOf(given)));
    assert.match(text, /^Good morning\. It is Sunday.* There is little to tell today: .*Enjoy/);
    assert.doesNotMatch(text, /zero|null|undefined|NaN/);
    const german = textOf(compose(factsOf({ ...given, language: "de" })));
    assert.match(
      german,
      /^Guten Morgen\. Heute ist .* wenig zu berichten.* Hab einen schönen Sonntag\.$/,
    );
  }
});

Deno.test("no sentence has a digit, and each ends in a full stop, in either language", () => {
  for (const language of ["en", "de"] as const) {
    for (const { rule, text } of compose(factsOf({ ...FULL_DAY, language }))) {
      assert.doesNotMatch(text, /\d/, rule);
      assert.match(text, /[.!?]$/, rule);
    }
    const reasons: TextReason[] = [
      "exhausted",
      "share",
      "day",
      "month",
      "unconfigured",
      "refused",
      "unavailable",
    ];
    for (const reason of reasons) {
      assert.match(LANGUAGES[language].sentences.inWriting(reason), /^\(.+: .+\.\)$/);
    }
  }
});

Deno.test("something is due today, on a day of the week, on a date, or overdue", () => {
  const today = "2026-11-22";
  const cases: [string | null, string, string][] = [
    ["2026-11-22", "due today", "heute fällig"],
    ["2026-11-23", "due tomorrow", "morgen fällig"],
    ["2026-11-24", "due on Tuesday", "am Dienstag fällig"],
    ["2026-11-28", "due on Saturday", "am Samstag fällig"],
    ["2026-11-29", "due on November twenty-ninth", "am neunundzwanzigsten November fällig"],
    [
      "2027-01-01",
      "due on January first, twenty twenty-seven",
      "am ersten Januar zweitausendsiebenundzwanzig fällig",
    ],
    ["2026-11-21", "overdue since Saturday", "seit Samstag überfällig"],
    ["2026-11-16", "overdue since Monday", "seit Montag überfällig"],
    ["2026-11-15", "overdue since November fifteenth", "seit dem fünfzehnten November überfällig"],
  ];
  for (const [due, english, german] of cases) {
    const when = dueOf(due, today);
    assert.equal(LANGUAGES.en.sentences.task(0, "x", when), `Most important: x, ${english}.`);
    assert.equal(LANGUAGES.de.sentences.task(0, "x", when), `Am wichtigsten: x, ${german}.`);
  }
  assert.equal(dueOf(null, today), null);
});

Deno.test("the least important sentences go first, and the order stays", () => {
  const sentences = compose(factsOf(FULL_DAY));
  const rules = (most: number) => fit(sentences, most)?.map(({ rule }) => rule);
  const whole = measure(textOf(sentences)).characters;
  assert.equal(fit(sentences, whole)?.length, sentences.length);
  assert.ok(!rules(whole - 1)?.includes("weekMood"));
  assert.ok(rules(whole - 1)?.includes("steps"));
  assert.deepEqual(rules(200), ["greeting", "firstTask", "secondTask"]);
  assert.deepEqual(rules(90), ["greeting", "firstTask"]);
  assert.equal(rules(30), undefined); // a greeting alone is no briefing
  assert.equal(rules(0), undefined);
  for (let most = 90; most <= whole; most += 7) {
    assert.ok(measure(textOf(fit(sentences, most) ?? [])).characters <= most);
  }
});

Deno.test("a huge summary and huge titles are cut", () => {
  const long = "word ".repeat(400);
  const facts = factsOf({
    tasks: { open: 3, top: top(long, long, long) },
    yesterday: { summary: long },
  });
  assert.ok(measure(textOf(compose(facts))).characters < 700);
});

Deno.test("a text is measured in characters as they are billed, words and seconds", () => {
  assert.deepEqual(measure("Grüße, 𝒳 ok."), { characters: 12, words: 3, seconds: 1 });
  assert.deepEqual(measure(""), { characters: 0, words: 0, seconds: 0 });
});
