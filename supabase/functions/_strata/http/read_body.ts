/** The body of a request from anybody: what its headers rule out is not read, and nothing is waited for long. */
import { HttpError } from "./errors.ts";
import { joinBytes } from "../outbound/outbound.ts";

/** Whoever has something to say has said it by then. */
const PATIENCE_MS = 5_000;
const JSON_TYPE = /^application\/json\s*(;|$)/i;

/**
 * Reads no more than is allowed or announced, and for no longer than five seconds. A body that is
 * announced as too long (413) or as something else than JSON (415) is not read at all.
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array> {
  if (request.method === "GET" || request.method === "HEAD" || request.body === null) {
    return new Uint8Array();
  }
  const announced = Number(request.headers.get("content-length") ?? limit);
  if (announced > limit) throw tooLarge(limit);
  if (announced > 0 && request.headers.has("content-type")) requireJson(request);
  const reader = request.body.getReader();
  try {
    return await inTime(readAll(reader, Math.min(announced, limit), limit));
  } catch (error) {
    reader.cancel().catch(() => {}); // whatever else comes is nobody's
    throw error;
  }
}

/** Refuses what does not call itself JSON. */
export function requireJson(request: Request): void {
  if (JSON_TYPE.test(request.headers.get("content-type") ?? "")) return;
  throw new HttpError(
    415,
    "not_json",
    "Send the body as JSON, with the header content-type: application/json.",
  );
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  most: number,
  limit: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  while (true) {
    const { done, value } = await reader.read();
    if (done) return joinBytes(parts);
    length += value.length;
    if (length > most) throw tooLarge(limit);
    parts.push(value);
  }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new HttpError(
          408,
          "body_too_slow",
          "The body did not come within 5 seconds. Send it again, in one go.",
        ),
      );
    }, PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {}); // it was answered already
  }
}

function tooLarge(limit: number): HttpError {
  const message =
    `The body is too large. Send at most ${limit} bytes, and no more than content-length announces.`;
  return new HttpError(413, "body_too_large", message);
}
