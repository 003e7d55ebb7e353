import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { briefingCore } from "../support/briefings.ts";

// deno-lint-ignore no-explicit-any -- JSON of our own function; each test says what must be in it
async function facts(sql: Sql): Promise<any> {
  const [row] = await sql`select strata.briefing_facts('owner') as facts`;
  return row?.facts;
}

Deno.test("the first three tasks: due ones, then by priority, due date and age", async () => {
  await using db = await briefingCore();
  await db.sql`
    insert into public.tasks (title, priority, due_on, status, created_at) values
      ('some day', 5, null, 'open', '2026-01-01'),
      ('first, but later', 1, '2026-12-24', 'open', '2026-11-01'),
      ('overdue', 4, '2026-11-20', 'open', '2026-11-02'),
      ('today', 3, '2026-11-22', 'in_progress', '2026-11-03'),
      ('waiting', 1, '2026-11-22', 'waiting', '2026-11-03'),
      ('done', 1, '2026-11-22', 'completed', '2026-11-03'),
      ('  ', 1, '2026-11-22', 'open', '2026-11-03')`;
  assert.deepEqual((await facts(db.sql)).tasks, {
    open: 4,
    top: [
      { title: "today", due_on: "2026-11-22" },
      { title: "overdue", due_on: "2026-11-20" },
      { title: "first, but later", due_on: "2026-12-24" },
    ],
  });
});

Deno.test("yesterday and the week, by the days of the owner", async () => {
  await using db = await briefingCore();
  await db.sql`update strata.owners set timezone = 'Europe/Berlin'`;
  await db.sql`
    insert into public.daily_summaries (date, summary, mood_score, slept, steps, created_at) values
      ('2026-11-21', 'A calm day.', 8, '7 hours 20 minutes', 9012, '2026-11-21T20:00Z'),
      ('2026-11-16', 'Monday.', 5, '6 hours', 1, '2026-11-16T20:00Z'),
      ('2026-11-15', 'last week', 1, '1 hour', 1, '2026-11-15T20:00Z')`;
  await db.sql`
    insert into public.tasks (title, status, completed_at) values
      ('yesterday', 'completed', '2026-11-20T23:30Z'), ('yesterday', 'completed', '2026-11-21T22:30Z'),
      ('today', 'completed', '2026-11-21T23:30Z'), ('monday', 'completed', '2026-11-15T23:30Z'),
      ('last week', 'completed', '2026-11-15T22:30Z'), ('open again', 'open', '2026-11-21T12:00Z')`;
  await db.sql`
    insert into public.journal_entries (date, content) values
      ('2026-11-21', 'x'), ('2026-11-21', 'y'), ('2026-11-17', 'z'), ('2026-11-15', 'w')`;
  const { yesterday, week, day, hour } = await facts(db.sql);
  assert.deepEqual({ day, hour }, { day: "2026-11-22", hour: 8 });
  assert.deepEqual(yesterday, {
    summary: "A calm day.",
    mood: 8,
    slept_minutes: 440,
    steps: 9012,
    completed: 2,
  });
  assert.deepEqual(week, {
    is_over: false,
    completed: 3,
    mood: 6.5,
    slept_minutes: 400,
    days: 2,
    journal_days: 2,
  });
});

Deno.test("on a Monday the week is the one that is over", async () => {
  await using db = await briefingCore("2026-11-23T07:00:00Z");
  await db.sql`
    insert into public.tasks (title, status, completed_at) values
      ('sunday', 'completed', '2026-11-22T12:00Z'), ('monday', 'completed', '2026-11-16T00:00Z'),
      ('before', 'completed', '2026-11-15T23:59Z'), ('today', 'completed', '2026-11-23T01:00Z')`;
  const { week } = await facts(db.sql);
  assert.deepEqual([week.is_over, week.completed, week.journal_days], [true, 2, undefined]);
});

Deno.test("with an empty personal system there are facts all the same", async () => {
  await using db = await briefingCore();
  const { owner, tasks, yesterday, week, affirmation } = await facts(db.sql);
  assert.equal(owner.language, "en");
  assert.deepEqual(tasks, { open: 0, top: [] });
  assert.deepEqual(yesterday, { completed: 0 });
  assert.deepEqual([week.completed, week.days], [0, 0]);
  assert.match(affirmation.says, /\.$/);
});

Deno.test("without the personal system everything works and says less", async () => {
  await using db = await briefingCore();
  await db.sql`
    drop table public.tasks, public.daily_summaries, public.journal_entries, public.templates,
               public.voice_recordings, public.projects cascade`;
  const { tasks, yesterday, week, affirmation } = await facts(db.sql);
  assert.deepEqual([tasks, yesterday, week.completed], [null, { completed: 0 }, 0]);
  assert.ok(affirmation.says.length > 0);
  const [stored] = await db.sql`
    select strata.store_recording('briefing', 'en', 'x', 'audio/ogg', '4f', 1, '{}') as id`;
  assert.equal(stored?.id, null);
  const [read] = await db.sql`select * from strata.read_recording(gen_random_uuid())`;
  assert.equal(read?.audio, null);
});

Deno.test("tables of the same names that are somebody else's cost only their part", async () => {
  await using db = await briefingCore();
  await db.sql`drop table public.tasks, public.templates`;
  await db.sql`create table public.tasks (task text)`;
  await db.sql`create table public.templates (body jsonb)`;
  await db.sql`
    insert into public.daily_summaries (date, summary, created_at)
    values ('2026-11-21', 'x', '2026-11-21T20:00Z')`;
  const { tasks, yesterday, affirmation } = await facts(db.sql);
  assert.match(tasks.trouble, /column t\.title does not exist/);
  assert.deepEqual(yesterday.summary, "x");
  assert.equal(yesterday.completed, null);
  assert.ok(affirmation.says.length > 0);
});

Deno.test("affirmations among the templates are learnt, followed while they are here, and stay", async () => {
  await using db = await briefingCore();
  await db.sql`delete from strata.affirmations`;
  await db.sql`
    insert into public.templates (kind, language, body) values
      ('affirmation', 'en', ' I am here. '), ('affirmation', 'en', 'I am here.'),
      ('affirmation', 'de', 'Ich bin da.'), ('prompt', 'en', 'Not this.'), ('affirmation', null, 'Nor this.')`;
  assert.equal((await facts(db.sql)).affirmation.says, "I am here.");
  await db.sql`update public.templates set body = 'I was here.' where language = 'en'`;
  assert.equal((await facts(db.sql)).affirmation.says, "I was here.");
  await db.sql`delete from public.templates`; // settled
  assert.equal((await facts(db.sql)).affirmation.says, "I was here.");
  const rows = await db.sql<{ says: string }[]>`select says from strata.affirmations order by says`;
  assert.deepEqual(rows.map(({ says }) => says), ["I was here.", "Ich bin da."]);
});

Deno.test("a recording is stored as its bytes and read back", async () => {
  await using db = await briefingCore();
  const audio = Uint8Array.from({ length: 256 }, (_, n) => n);
  const [{ id } = { id: "" }] = await db.sql<{ id: string }[]>`
    select strata.store_recording('briefing', 'de', 'Guten Morgen.', 'audio/ogg', ${
    Buffer.from(audio).toString("hex")
  }, 12.5, '{"voice": "v"}') as id`;
  const [read] = await db.sql`
    select mime_type, audio, seconds::float8 as seconds from strata.read_recording(${id})`;
  assert.deepEqual({ ...read }, {
    mime_type: "audio/ogg",
    audio: Buffer.from(audio).toString("hex"),
    seconds: 12.5,
  });
  const [row] = await db.sql`
    select created_at::text, kind, audio, metadata from public.voice_recordings`;
  assert.deepEqual([...row?.audio ?? []], [...audio]);
  assert.deepEqual([row?.created_at, row?.kind, row?.metadata], [
    "2026-11-22 07:00:00+00",
    "briefing",
    { voice: "v" },
  ]);
});
