/**
 * How a database wakes one of its project's functions up. What pg_net has queued can be read by every
 * login, so it carries no key, but a signature that is good for waking alone:
 *
 *     x-strata-wake: t=<unix seconds>,v1=<HMAC-SHA256 of "<t>.<function>.<SHA-256 of the body>">
 *
 * (strata.wake() makes it.) It is taken for five minutes, and again within them: what a function does
 * when it is woken is to look for work that is due, so that doing it twice does nothing twice.
 */

/** The header that wakes. */
export const WAKE_HEADER = "x-strata-wake";

/** Whether a request is a wake of this function's. */
export interface WakeCheck {
  /** Whether its header may be one: what can be told before the body is read. */
  mayBe(request: Request): boolean;
  isGenuine(request: Request, body: Uint8Array): Promise<boolean>;
}

const FORM = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/;
/** pg_net's queue may stand for a while, and clocks differ. */
const HOLDS_SECONDS = 300;

/** Checks wakes of one function; without a secret there are none. */
export function wakeCheck(
  name: string,
  secret: string | undefined,
  now: () => number,
): WakeCheck {
  const read = (request: Request) => {
    const [, at, signature] = FORM.exec(request.headers.get(WAKE_HEADER) ?? "") ?? [];
    if (secret === undefined || at === undefined || signature === undefined) return undefined;
    return Math.abs(now() / 1000 - Number(at)) <= HOLDS_SECONDS
      ? { secret, at, signature }
      : undefined;
  };
  return {
    mayBe: (request) => read(request) !== undefined,
    async isGenuine(request, body) {
      const wake = read(request);
      if (wake === undefined) return false;
      const signed = await signedText(name, wake.at, body);
      // Compared in constant time, by WebCrypto.
      return await crypto.subtle.verify(
        "HMAC",
        await keyOf(wake.secret),
        fromHex(wake.signature),
        signed,
      );
    },
  };
}

/** The header by which a function is woken, as strata.wake() makes it. */
export async function signWake(
  name: string,
  secret: string,
  at: number,
  body: string,
): Promise<string> {
  const seconds = String(Math.floor(at / 1000));
  const signed = await signedText(name, seconds, new TextEncoder().encode(body));
  const signature = await crypto.subtle.sign("HMAC", await keyOf(secret), signed);
  return `t=${seconds},v1=${hex(new Uint8Array(signature))}`;
}

async function signedText(name: string, at: string, body: Uint8Array) {
  const hash = await crypto.subtle.digest("SHA-256", new Uint8Array(body));
  return new TextEncoder().encode(`${at}.${name}.${hex(new Uint8Array(hash))}`);
}

function keyOf(secret: string): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, [
    "sign",
    "verify",
  ]);
}

/** Bytes as hexadecimal digits. */
export function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Hexadecimal digits as bytes. */
export function fromHex(digits: string) { // its type has another name in the edge runtime
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
