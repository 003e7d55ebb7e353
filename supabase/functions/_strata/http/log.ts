/** The log of a function: one line of JSON per event, with the secrets taken out. */

/** Writes an event down. Errors may be among the fields. */
export type Log = (event: string, fields?: Readonly<Record<string, unknown>>) => void;

/** The platform cuts a message at 10,000 characters, and with it the end of the JSON. */
const LONGEST = 9_000;

/**
 * A log that shows none of the given secrets, wherever they turn up: the address of a Telegram call,
 * for one, holds the bot's token, and a failed `fetch` names the address.
 */
export function createLog(
  name: string,
  secrets: readonly string[],
  write: (line: string) => void = console.error,
): Log {
  const hidden = secrets.filter((secret) => secret.length >= 6)
    .flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]);
  return (event, fields = {}) => {
    let line = JSON.stringify({ function: name, event, ...describe(fields) });
    for (const secret of hidden) line = line.replaceAll(secret, "***");
    write(line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line);
  };
}

function describe(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map((
      [key, value],
    ) => [key, value instanceof Error ? ofError(value) : value]),
  );
}

function ofError(error: Error): Record<string, unknown> {
  const code = "code" in error ? error.code : undefined;
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  return { name: error.name, code, message: error.message, cause, stack: error.stack };
}
