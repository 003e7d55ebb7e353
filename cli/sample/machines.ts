import { decimal, json, type Life, minutes, type Untold } from "./life.ts";
import { Random } from "./random.ts";

/** A few conversations a day with the assistant. */
export function* botSessions(life: Life): Generator<Untold> {
  const { random } = life;
  for (const day of life.moments(1300)) {
    const language = life.language();
    const created_at = day.at(random.chance(0.5) ? random.normal(8, 1) : random.normal(19, 2));
    const turns = random.integer(1, 7);
    const [tokensIn, tokensOut] = [
      turns * random.integer(40, 900),
      turns * random.integer(60, 700),
    ];
    yield {
      created_at,
      channel: random.pick(["telegram", "telegram", "telegram", "voice", "web"]),
      language,
      messages: json(Array.from({ length: turns * 2 }, (_, i) => ({
        role: i % 2 === 0 ? "owner" : "assistant",
        text: i % 2 === 0 ? life.say("sentences", language) : life.prose(140, language),
      }))),
      tokens_in: tokensIn,
      tokens_out: tokensOut,
      cost_usd: decimal(tokensIn * 2.5e-7 + tokensOut * 1e-6, 6),
      ended_at: new Date(created_at.getTime() + turns * random.integer(15_000, 180_000)),
    };
  }
}

/** The many small things: awake hours on working days, later and fewer on free ones. */
export function* analyticsEvents(life: Life): Generator<Untold> {
  const { random } = life;
  let session = new Random("sitting");
  for (const day of life.moments(5800)) {
    if (day.free && random.chance(0.45)) continue;
    if (random.chance(0.15)) session = new Random(`sitting ${random.bits()}`);
    const name = random.pick([
      "page_viewed",
      "note_saved",
      "search",
      "task_checked",
      "sync",
      "error",
    ]);
    yield {
      created_at: day.at(random.normal(day.free ? 15 : 13, 3.2)),
      name,
      source: random.pick(["app", "bot", "phone", "phone", "web"]),
      session_id: uuid(session.bits()),
      client: random.chance(0.3)
        ? `2001:db8::${random.bits().toString(16).slice(0, 4)}`
        : "192.0.2.7",
      value: random.chance(0.5) ? random.normal(40, 18) : null,
      took: minutes(random.between(0, 0.4)),
      properties: json({ path: `/${name}/${random.integer(1, 400)}`, ok: name !== "error" }),
    };
  }
}

function uuid(bits: number): string {
  return `${bits.toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`;
}

/** Every month, what the month before came to. */
export function* historicalAnalytics(life: Life): Generator<Untold> {
  const { random } = life;
  const metrics = [
    "steps",
    "sleep_minutes",
    "focus_minutes",
    "messages",
    "spend_eur",
    "pages_read",
  ];
  for (const day of life.days()) {
    if (day.start.getUTCDate() !== 1) continue;
    const first = day.plus(-1).date.replace(/\d\d$/, "01");
    for (const metric of metrics) {
      const mean = Math.abs(random.normal(300, 120));
      const count = random.integer(28, 4000);
      yield {
        created_at: day.at(3 + random.between(0, 0.1)),
        metric,
        period: `[${first},${day.date})`,
        sample_count: count,
        total: decimal(mean * count, 9),
        mean,
        percentiles: [0.2, 0.6, 1, 1.4, 2.3].map((factor) => mean * factor),
        breakdown: json({ working: decimal(random.between(0, 1), 4), source: "tracker" }),
      };
    }
  }
}

/** Every Sunday night, of two machines; one in three restored for a test. */
export function* systemBackups(life: Life): Generator<Untold> {
  const { random } = life;
  for (const day of life.days()) {
    if (day.start.getUTCDay() !== 0) continue;
    for (const system of ["laptop", "home-server"]) {
      const full = day.start.getUTCDate() <= 7;
      const files = Array.from({ length: random.integer(20, 90) }, (_, i) => [
        `${system}/${day.date}/part-${i}`,
        random.bits().toString(16),
      ]);
      yield {
        created_at: day.at(random.between(2, 4)),
        system,
        kind: full ? "full" : "incremental",
        location: `nas:/backup/${system}/${day.date}`,
        size_bytes: Math.round(random.between(2e8, 4e9) * (full ? 12 : 1)),
        took: minutes(random.between(4, full ? 190 : 25)),
        manifest: json(Object.fromEntries(files)),
        verified: random.chance(1 / 3),
      };
    }
  }
}
