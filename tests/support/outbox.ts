import type { Sql } from "postgres";
import { type TestDatabase, testDatabase } from "./database.ts";
import { becomes } from "./watch.ts";

/** A message as the function that sends it gets it. */
export interface Claimed {
  message: string;
  channel: string;
  lease: string;
  key: string;
  kind: string;
  severity: string;
  silent: boolean;
  attempt: number;
  parts_sent: number;
  perhaps_sent: boolean;
  body: Record<string, unknown>;
}

/** Both channels, as a function that has them configured tells of them. */
export const BOTH = { telegram: "hash", webhook: "hash" };

/** Only Telegram is configured. */
export const TELEGRAM = { telegram: "hash", webhook: null };

/** A core at noon, in nobody's quiet hours. */
export async function quietlessCore(at = "2026-03-01T12:00:00Z"): Promise<TestDatabase> {
  const db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.freezeClock(at);
  return db;
}

/** Nobody is told of warnings on this day: for tests of other messages. */
export async function withoutDigest(sql: Sql): Promise<void> {
  await sql`update strata.settings set value = 23 where name = 'digest_hour'`;
}

/** Claims as the function does over the API: as role service_role. */
export async function claim(
  sql: Sql,
  channels: { telegram: string | null; webhook: string | null } = TELEGRAM,
  limit = 5,
): Promise<Claimed[]> {
  return await asService(sql, async (service) => {
    const { telegram, webhook } = channels;
    const [row] = await service<{ claimed: Claimed[] }[]>`
      select strata.claim_messages(
        p_telegram => ${telegram}, p_webhook => ${webhook}, p_limit => ${limit}) as claimed`;
    return row?.claimed ?? [];
  });
}

/** Acknowledges a claimed message. */
export async function noteSent(
  sql: Sql,
  { message, channel, lease }: Claimed,
  parts = 1,
  done = true,
): Promise<boolean> {
  return await asService(sql, async (service) => {
    const [row] = await service<{ ours: boolean }[]>`
      select strata.note_sent(${message}::bigint, ${channel}, ${lease}::uuid, ${parts}, ${done}) as ours`;
    return row?.ours ?? false;
  });
}

/** Says that a claimed message is not out. */
export async function noteUnsent(
  sql: Sql,
  { message, channel, lease }: Claimed,
  outcome: string,
  code = "500",
  retryAfter: number | null = null,
): Promise<boolean> {
  return await asService(sql, async (service) => {
    const [row] = await service<{ ours: boolean }[]>`
      select strata.note_unsent(${message}::bigint, ${channel}, ${lease}::uuid, ${outcome}, ${code},
                                'it said no', ${retryAfter}) as ours`;
    return row?.ours ?? false;
  });
}

/** A delivery as its table has it. */
export interface Delivery {
  channel: string;
  state: string;
  attempts: number;
  parts_sent: number;
  perhaps_sent: boolean;
  last_error: string | null;
}

/** The deliveries of a message, by its key. */
export async function deliveries(sql: Sql, key: string): Promise<Delivery[]> {
  return [
    ...await sql<Delivery[]>`
      select d.channel, d.state, d.attempts, d.parts_sent, d.perhaps_sent, d.last_error
        from strata.deliveries as d join strata.outbox as m on m.message_id = d.message_id
       where m.key = ${key} order by d.channel`,
  ];
}

/** The keys of everything in the outbox, in the order it was written. */
export async function keys(sql: Sql): Promise<string[]> {
  const rows = await sql<{ key: string }[]>`select key from strata.outbox order by message_id`;
  return rows.map(({ key }) => key);
}

async function asService<T>(sql: Sql, work: (service: Sql) => Promise<T>): Promise<T> {
  const session = await sql.reserve();
  try {
    await session`set role service_role`;
    return await work(session);
  } finally {
    await session`reset role`;
    session.release();
  }
}
