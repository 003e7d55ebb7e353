import { Buffer } from "node:buffer";
import { decimal, type Json, json, type Life, minutes, type Untold } from "./life.ts";
import { VOCABULARY } from "./words.ts";

/** Mostly a page; now and then a whole transcript, or a clipping with its picture inside. */
export function* researchNotes(life: Life): Generator<Untold> {
  const { random } = life;
  for (const day of life.moments(150)) {
    const language = life.language();
    const long = random.chance(0.04);
    const clipped = random.chance(0.03);
    const length = long ? random.integer(150_000, 420_000) : 600 * 2 ** random.between(0, 5);
    yield {
      created_at: day.at(random.normal(15, 3)),
      title: life.say("titles", language),
      content: life.prose(length, language) + (clipped ? picture(life) : ""),
      language,
      source_url: random.chance(0.7) ? `https://example.org/read/${random.bits()}` : null,
      tags: random.some(["biology", "db", "geschichte", "material", "musik", "policy"], 1, 3),
      citations: json(
        Array.from({ length: random.integer(0, 5) }, () => ({
          title: life.say("titles", language),
          year: random.integer(1962, life.now.getUTCFullYear()),
        })),
      ),
      confidence: Number(random.between(0.2, 1).toFixed(2)),
    };
  }
}

function picture({ random }: Life): string {
  const content = Buffer.from(random.bytes(random.integer(90_000, 200_000))).toString("base64");
  return `\n\n![](data:image/jpeg;base64,${content})`;
}

/** Two a week, finished or not. */
export function* learningMaterials(life: Life): Generator<Untold> {
  const { random } = life;
  for (const day of life.moments(110)) {
    const language = life.language();
    const finished = day.plus(random.integer(0, 60));
    const done = random.chance(0.55) && finished.start <= life.now;
    yield {
      created_at: day.at(random.normal(19, 2)),
      title: life.say("titles", language),
      kind: random.pick(["article", "book", "course", "podcast", "video"]),
      author: person(life),
      language,
      url: `https://example.org/learn/${random.bits()}`,
      excerpt: life.prose(random.integer(500, 12_000), language),
      duration: minutes(random.integer(8, 900)),
      progress: done ? "1.000" : decimal(random.between(0, 0.95), 3),
      finished_on: done ? finished.date : null,
    };
  }
}

/** People met over the years. */
export function* contacts(life: Life): Generator<Untold> {
  const { random } = life;
  for (const day of life.moments(55)) {
    const name = person(life);
    const met = day.plus(
      random.between(0, (life.now.getTime() - day.start.getTime()) / 86_400_000),
    );
    yield {
      created_at: day.at(random.normal(14, 4)),
      name,
      relation: random.pick(["family", "friend", "friend", "colleague", "client", "service"]),
      emails: random.chance(0.8) ? [`${mailbox(name)}@example.com`] : [],
      phones: random.chance(0.6) ? [`+49 151 ${random.integer(1_000_000, 9_999_999)}`] : [],
      address: random.chance(0.5) ? address(life) : null,
      birthday: random.chance(0.4)
        ? `${random.integer(1941, 2008)}-0${random.integer(1, 9)}-${random.integer(10, 28)}`
        : null,
      notes: random.chance(0.5) ? life.prose(random.integer(40, 500), life.language()) : null,
      last_met_on: met.start > life.now ? null : met.date,
    };
  }
}

/** Texts for later, and the affirmations the briefing chooses from. */
export function* templates(life: Life): Generator<Untold> {
  const { random } = life;
  for (const [index, day] of [...life.moments(35)].entries()) {
    const language = index % 2 === 0 ? "de" : "en";
    const affirmations = VOCABULARY[language].affirmations;
    const affirmation = random.chance(0.6) ? affirmations[index % affirmations.length] : undefined;
    yield {
      created_at: day.at(random.normal(11, 2)),
      name: life.say("titles", language),
      kind: affirmation === undefined
        ? random.pick(["checklist", "email", "journal", "prompt", "text"])
        : "affirmation",
      language,
      body: affirmation ?? `{{name}},\n\n${life.prose(random.integer(150, 1800), language)}`,
      variables: affirmation === undefined ? ["name"] : [],
      version: random.integer(1, 6),
      last_used_at: null,
    };
  }
}

function person({ random }: Life): string {
  const given = [
    "Anna",
    "Björn",
    "Chiara",
    "Deniz",
    "Elif",
    "François",
    "Grete",
    "Henrik",
    "Ines",
  ] as const;
  const family = [
    "Albrecht",
    "Çelik",
    "Dvořák",
    "Eriksen",
    "Fuchs",
    "García",
    "Huber",
    "Weiß",
  ] as const;
  return `${random.pick(given)} ${random.pick(family)}`;
}

function mailbox(name: string): string {
  return name.normalize("NFD").replace(/[^A-Za-z ]/g, "").toLowerCase().replace(" ", ".");
}

function address({ random }: Life): Json {
  return json({
    street: `${random.pick(["Lindenstraße", "Am Mühlbach", "Hafenweg"])} ${random.integer(1, 120)}`,
    postcode: String(random.integer(10_115, 99_998)),
    city: random.pick(["Freiburg", "Görlitz", "Kiel", "Köln", "Zürich"]),
    country: "DE",
  });
}
