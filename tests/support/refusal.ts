import postgres from "postgres";

/** How Postgres refused something: SQLSTATE, sentence, and what to do about it. */
export interface Refusal {
  code: string;
  message: string;
  hint: string | undefined;
}

/** Waits for a statement that must fail, and returns how it was refused. */
export async function refusal(statement: PromiseLike<unknown>): Promise<Refusal> {
  try {
    await statement;
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    const { code, message, hint } = error;
    return { code, message, hint };
  }
  throw new Error("the statement was not refused");
}
