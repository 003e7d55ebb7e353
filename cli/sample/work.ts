import {
  type Day,
  decimal,
  json,
  type Life,
  minutes,
  type SampleRow,
  type Untold,
} from "./life.ts";

/** One a month; most get done, some are dropped, the youngest are under way. */
export function* projects(life: Life): Generator<Untold> {
  const { random } = life;
  for (const day of life.moments(14)) {
    const language = life.language();
    const created_at = day.at(random.normal(10, 1));
    const done = day.plus(random.integer(20, 240)).at(random.normal(16, 2));
    const fate = random.pick([
      "completed",
      "completed",
      "completed",
      "cancelled",
      "paused",
      "open",
    ]);
    const status = fate === "completed" && done > life.now ? "open" : fate;
    yield {
      created_at,
      name: life.say("titles", language),
      description: life.prose(random.integer(200, 1500), language),
      status,
      goals: Array.from({ length: random.integer(1, 4) }, () => life.say("tasks", language)),
      budget_eur: random.chance(0.5) ? decimal(random.between(80, 24_000), 2) : null,
      due_on: day.plus(random.integer(30, 200)).date,
      completed_at: status === "completed" ? done : null,
    };
  }
}

/** Several each working day; the old ones are done but for a stubborn few. */
export function* tasks(life: Life, projects: readonly SampleRow[]): Generator<Untold> {
  const { random } = life;
  for (const day of life.moments(1600)) {
    if (day.free && random.chance(0.75)) continue;
    const language = life.language();
    const created_at = day.at(random.normal(day.free ? 11 : 10.5, 2.5));
    const done = new Date(created_at.getTime() + 86_400_000 * random.between(0.05, 1) ** 3 * 60);
    const status = fateOfTask(life, done);
    const running = projects.filter((project) => project.created_at < created_at).slice(-4);
    const project = random.some(running, 0, 1)[0];
    yield {
      created_at,
      project_id: project?.id ?? null,
      title: life.say("tasks", language),
      notes: random.chance(0.3) ? life.prose(random.integer(60, 900), language) : null,
      status,
      priority: random.pick([1, 2, 2, 3, 3, 3, 4, 5]),
      due_on: random.chance(0.6) ? day.plus(random.integer(0, 45)).date : null,
      estimate: random.chance(0.5) ? minutes(random.pick([10, 15, 30, 60, 120, 240])) : null,
      tags: random.some(["home", "kunde", "verein", "errand", "computer"], 0, 2),
      completed_at: status === "completed" ? done : null,
    };
  }
}

function fateOfTask({ random, now }: Life, done: Date): string {
  if (random.chance(0.04)) return "cancelled";
  if (done <= now && random.chance(0.98)) return "completed";
  return random.pick(["open", "open", "in_progress", "waiting"]);
}

/** The tracker's count, for every day the computer was on. */
export function* productivity(life: Life): Generator<Untold> {
  const { random } = life;
  for (const day of life.days()) {
    if (day.free && random.chance(0.4)) continue;
    const byHour = activeMinutes(life, day);
    const active = byHour.reduce((sum, n) => sum + n, 0);
    const focused = active * random.between(0.3, 0.7);
    yield {
      created_at: day.at(23.9),
      period: `[${day.start.toISOString()},${day.plus(1).start.toISOString()})`,
      focused: minutes(focused),
      in_meetings: minutes(day.free ? 0 : active * random.between(0, 0.3)),
      tasks_completed: random.count(day.free ? 1 : 4),
      by_hour: byHour,
      by_application: json({
        editor: Math.round(focused * 0.7),
        browser: Math.round(active * 0.25),
        mail: random.count(25),
        terminal: Math.round(focused * 0.3),
      }),
      score: decimal(100 * focused / (active + 1), 2),
    };
  }
}

function activeMinutes({ random }: Life, day: Day): number[] {
  return Array.from({ length: 24 }, (_, hour) => {
    const [start, end, busy] = day.free ? [10, 22, 12] : [8, 18, 42];
    return hour < start || hour >= end ? 0 : Math.min(60, random.count(busy));
  });
}
