/** What may be told to a caller, and how the database refuses something. */

/** An answer that is no success: only this text reaches the caller, nothing of an inner error does. */
export class HttpError extends Error {
  /** A status, a short code for machines and a sentence for people. */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.name = "HttpError";
  }

  /** The answer in the form that every function uses. */
  toResponse(): Response {
    const error = { code: this.code, message: this.message };
    return Response.json({ error }, { status: this.status, headers: { ...this.headers } });
  }
}

/** The database refused a call: its SQLSTATE, its sentence, and what to do about it. */
export class DatabaseError extends Error {
  /** `code` is the SQLSTATE; empty when the database could not be asked at all. */
  constructor(readonly code: string, message: string, readonly hint: string | null = null) {
    super(message);
    this.name = "DatabaseError";
  }

  /** Whether nobody answered, or what answered was the way there and not the database. */
  get unreachable(): boolean {
    return this.code === "" || /^(08|57P)/.test(this.code) || /^PGRST00/.test(this.code);
  }
}

/** Turns whatever was thrown into the answer for the caller; what is inside stays inside. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof DatabaseError && error.unreachable) {
    return new HttpError(503, "database_unreachable", "The database does not answer. Try again.");
  }
  return new HttpError(500, "internal", "Something went wrong here; the function's log says what.");
}
