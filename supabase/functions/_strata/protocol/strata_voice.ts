/** The database's part of the voice: costs (chapter 001340), briefings (001350) and their facts (009100). */
import { z } from "zod";
import type { Rpc } from "./strata_rpc.ts";

const Owner = z.object({
  owner: z.string(),
  name: z.string().nullable(),
  language: z.enum(["en", "de"]),
  timezone: z.string(),
  voice_id: z.string().nullable(),
  model: z.string(),
  chat_id: z.string().nullable(),
});

/** A `numeric`, which may come as text. Cents and credits are far from what a double cannot hold. */
const Amount = z.union([
  z.number(),
  z.string().regex(/^-?\d+(\.\d+)?$/).transform(Number),
]);

const Counted = Amount.nullish();

/** A part that could not be read says why, and is empty otherwise. */
function part<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.object(shape).nullable();
}

/** Everything a briefing may say. Parts that nobody knows are null. */
export const Facts = z.object({
  owner: Owner,
  day: z.iso.date(),
  hour: z.int().min(0).max(23),
  tasks: part({
    open: z.int().default(0),
    top: z.array(z.object({ title: z.string(), due_on: z.iso.date().nullable() })).default([]),
    trouble: z.string().optional(),
  }),
  yesterday: part({
    summary: z.string().nullish(),
    completed: Counted,
    mood: Counted,
    slept_minutes: Counted,
    steps: Counted,
    trouble: z.string().optional(),
  }),
  week: part({
    is_over: z.boolean().optional(),
    completed: Counted,
    mood: Counted,
    slept_minutes: Counted,
    days: Counted,
    journal_days: Counted,
    trouble: z.string().optional(),
  }),
  affirmation: z.object({ id: z.uuid(), says: z.string() }).nullable(),
});

/** Everything a briefing may say. */
export type Facts = z.infer<typeof Facts>;

/** What there is to say today. */
export async function briefingFacts(rpc: Rpc, owner: string): Promise<Facts> {
  return Facts.parse(await rpc("briefing_facts", { p_owner: owner }));
}

/** Who wants a briefing. */
export async function briefingOwners(rpc: Rpc): Promise<string[]> {
  return z.array(z.string()).parse(await rpc("briefing_owners"));
}

/** Whose briefing of today is still to be sent. */
export async function briefingsToSend(rpc: Rpc): Promise<string[]> {
  return z.array(z.string()).parse(await rpc("briefings_to_send"));
}

/** Which limit keeps a paid call from being larger. */
export const Limit = z.enum(["exhausted", "share", "day", "month"]);

/** Which limit keeps a paid call from being larger. */
export type Limit = z.infer<typeof Limit>;

/** A row that PostgREST returns for a function with several results: one object, or a list of one. */
function row<Row>(schema: z.ZodType<Row>): z.ZodType<Row> {
  return z.preprocess((value) => Array.isArray(value) ? value[0] : value, schema);
}

const Estimate = z.object({
  credits: Amount,
  usd: Amount,
  fits: z.boolean(),
  limited_by: Limit,
  units_left: z.int(),
  credits_left: Amount,
  usd_left: Amount,
});

/** What so many characters would cost now, whether they may be spoken, and which limit would be in the way. */
export type Estimate = z.infer<typeof Estimate>;

/** What is to be spoken: with which model, for what, and how many characters. */
export interface Spending {
  model: string;
  kind: string;
  units: number;
}

/** Says what so many characters would cost; counts nothing. */
export async function estimateCost(rpc: Rpc, { model, kind, units }: Spending): Promise<Estimate> {
  const args = { p_service: "elevenlabs", p_item: model, p_kind: kind, p_units: units };
  return row(Estimate).parse(await rpc("estimate_cost", args));
}

const Reserved = z.object({
  cost_id: z.uuid().nullable(),
  denied_by: Limit.nullable(),
  usd: Amount.nullable(),
});

/** A reservation: it may be spent (`cost_id`), or which limit is in the way. */
export type Reserved = z.infer<typeof Reserved>;

/** Counts characters before they are spoken. */
export async function reserveCost(
  rpc: Rpc,
  { model, kind, units, says }: Spending & { says: string },
): Promise<Reserved> {
  const args = {
    p_service: "elevenlabs",
    p_item: model,
    p_kind: kind,
    p_units: units,
    p_says: says,
  };
  return row(Reserved).parse(await rpc("reserve_cost", args));
}

/** The call was made; returns the US dollars billed. */
export async function settleCost(rpc: Rpc, costId: string, credits?: number): Promise<number> {
  const args = { p_cost_id: costId, p_credits: credits ?? null };
  return Amount.parse(await rpc("settle_cost", args));
}

/** The call was refused and cost nothing. */
export async function releaseCost(rpc: Rpc, costId: string): Promise<void> {
  await rpc("release_cost", { p_cost_id: costId });
}

/** The service has no credits left until its next reset. */
export async function noteExhausted(rpc: Rpc): Promise<void> {
  await rpc("note_exhausted", { p_service: "elevenlabs" });
}

/** What the service says of this month's credits. */
export async function noteAllowance(
  rpc: Rpc,
  told: { used: number; amount: number; resetsAt: string | null },
): Promise<void> {
  await rpc("note_allowance", {
    p_service: "elevenlabs",
    p_used: told.used,
    p_amount: told.amount,
    p_resets_at: told.resetsAt,
  });
}

const Opened = z.object({
  day: z.iso.date(),
  state: z.enum(["due", "composing", "delivering", "sent", "failed", "unknown"]),
  lease: z.uuid().nullable(),
  says: z.string().nullable(),
  recording_id: z.uuid().nullable(),
});

/** Today's briefing: ours to send when there is a lease. */
export type Opened = z.infer<typeof Opened>;

/** Takes today's briefing in hand. */
export async function openBriefing(rpc: Rpc, owner: string): Promise<Opened> {
  return row(Opened).parse(await rpc("open_briefing", { p_owner: owner }));
}

/** What is about to be sent. */
export interface Delivery {
  lease: string;
  says: string;
  language: string;
  channel: "voice" | "text";
  characters: number;
  reason: string | null;
  seconds: number | null;
  affirmationId: string | null;
  costId: string | null;
  recordingId: string | null;
}

/** Says that the next thing is to send it. */
export async function startDelivery(rpc: Rpc, delivery: Delivery): Promise<void> {
  await rpc("start_delivery", {
    p_lease: delivery.lease,
    p_says: delivery.says,
    p_language: delivery.language,
    p_channel: delivery.channel,
    p_characters: delivery.characters,
    p_reason: delivery.reason,
    p_seconds: delivery.seconds,
    p_affirmation_id: delivery.affirmationId,
    p_cost_id: delivery.costId,
    p_recording_id: delivery.recordingId,
  });
}

/** It was sent: as this message, and over which channel after all. */
export async function finishBriefing(
  rpc: Rpc,
  sent: { lease: string; messageId: string; channel: "voice" | "text"; reason: string | null },
): Promise<void> {
  await rpc("finish_briefing", {
    p_lease: sent.lease,
    p_message_id: sent.messageId,
    p_channel: sent.channel,
    p_reason: sent.reason,
  });
}

/** It was not sent, or may have been. */
export async function failBriefing(
  rpc: Rpc,
  failure: { lease: string; trouble: string; mayHaveArrived: boolean },
): Promise<void> {
  await rpc("fail_briefing", {
    p_lease: failure.lease,
    p_trouble: failure.trouble,
    p_may_have_arrived: failure.mayHaveArrived,
  });
}

/** What was spoken, with what is known of it. */
export interface Recording {
  kind: "briefing" | "notice";
  language: string;
  transcript: string;
  mimeType: string;
  audio: Uint8Array;
  seconds: number;
  metadata: Readonly<Record<string, unknown>>;
}

/** Keeps what was spoken; null where the personal system is not there. */
export async function storeRecording(rpc: Rpc, recording: Recording): Promise<string | null> {
  return z.uuid().nullable().parse(
    await rpc("store_recording", {
      p_kind: recording.kind,
      p_language: recording.language,
      p_transcript: recording.transcript,
      p_mime_type: recording.mimeType,
      p_audio: hexOf(recording.audio),
      p_seconds: recording.seconds,
      p_metadata: JSON.stringify(recording.metadata),
    }),
  );
}

const StoredRecording = z.object({
  mime_type: z.string().nullable(),
  audio: z.string().regex(/^[0-9a-f]*$/).nullable(),
  seconds: Amount.nullable(),
});

/** What was spoken earlier, when it has not settled yet. */
export async function readRecording(rpc: Rpc, id: string) {
  const { mime_type, audio, seconds } = row(StoredRecording).parse(
    await rpc("read_recording", { p_recording_id: id }),
  );
  if (audio === null || mime_type === null) return null;
  return {
    mimeType: mime_type,
    audio: bytesOf(audio),
    seconds: seconds ?? 0,
  };
}

const LogEntry = z.object({
  day: z.iso.date(),
  state: z.string(),
  channel: z.enum(["voice", "text"]).nullable(),
  reason: z.string().nullable(),
  says: z.string().nullable(),
  characters: z.int().nullable(),
  seconds: Amount.nullable(),
  usd: Amount.nullable(),
  sent_at: z.string().nullable(),
  attempts: z.int(),
  trouble: z.string().nullable(),
  recording_id: z.uuid().nullable(),
});

/** A briefing in the log. */
export type LogEntry = z.infer<typeof LogEntry>;

/** The last briefings, newest first. */
export async function briefingLog(rpc: Rpc, owner: string, limit: number): Promise<LogEntry[]> {
  return z.array(LogEntry).parse(await rpc("briefing_log", { p_owner: owner, p_limit: limit }));
}

/** Bytes as text that every gateway leaves alone. Modules of Node are no choice: their types are a download. */
function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(
    { length: hex.length / 2 },
    (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16),
  );
}
