import { decimal, json, type Life, minutes, type Untold } from "./life.ts";

/** Nearly every evening, a look back. */
export function* dailySummaries(life: Life): Generator<Untold> {
  const { random } = life;
  let weight = 74;
  for (const day of life.days()) {
    weight += random.normal(0, 0.12) + (74 - weight) * 0.02;
    if (random.chance(0.03)) continue;
    const language = life.language();
    const mood = Math.round(random.normal(day.free ? 7 : 6, 1.4));
    yield {
      created_at: day.at(random.normal(21.2, 0.6)),
      date: day.date,
      summary: life.prose(random.integer(180, 700), language),
      highlights: Array.from(
        { length: random.integer(1, 4) },
        () => life.say("sentences", language),
      ),
      mood_score: clamp(mood, 1, 10),
      energy_score: clamp(mood + random.integer(-2, 1), 1, 10),
      slept: minutes(random.normal(day.free ? 500 : 425, 45)),
      steps: Math.round(Math.abs(random.normal(day.free ? 9500 : 6800, 2600))),
      weight_kg: decimal(weight, 2),
      metrics: json({ coffee: random.integer(0, 4), pages_read: random.count(14) }),
    };
  }
}

/** Two or three times a week, a pattern looked at. */
export function* shadowWork(life: Life): Generator<Untold> {
  const { random } = life;
  for (const day of life.moments(150)) {
    const language = life.language();
    yield {
      created_at: day.at(random.normal(20, 1)),
      date: day.date,
      theme: random.pick([
        "control",
        "Neid",
        "perfectionism",
        "Rückzug",
        "being liked",
        "Ungeduld",
      ]),
      occasion: life.say("sentences", language),
      reflection: life.prose(random.integer(400, 2500), language),
      reframe: life.say("affirmations", language),
      intensity: clamp(Math.round(random.normal(5, 2)), 0, 10),
      state: random.pick(["noticed", "working", "working", "integrated"]),
    };
  }
}

/** Once or twice a day, longer when there is time. */
export function* journalEntries(life: Life): Generator<Untold> {
  const { random } = life;
  const moods = ["ruhig", "curious", "müde", "content", "gereizt", "hopeful", "aufgekratzt"];
  for (const day of life.moments(520)) {
    const length = random.integer(120, day.free ? 5200 : 1800);
    yield {
      created_at: day.at(random.chance(0.4) ? random.normal(7, 0.5) : random.normal(21.5, 0.8)),
      date: day.date,
      content: life.prose(length, life.language()),
      mood: random.some(moods, 0, 1)[0] ?? null,
      tags: random.some(["familie", "work", "garden", "health", "reise", "chor"], 0, 3),
    };
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
