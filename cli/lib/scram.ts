/** Fixed values instead of the usual ones; tests need them. */
export interface ScramOptions {
  salt?: Uint8Array<ArrayBuffer>;
  iterations?: number;
}

const utf8 = new TextEncoder();

/**
 * The SCRAM-SHA-256 verifier of a password, in the form PostgreSQL stores it. A server given the
 * verifier can check the password and cannot know it; neither can its logs.
 */
export async function scramVerifier(
  password: string,
  { salt = crypto.getRandomValues(new Uint8Array(16)), iterations = 4096 }: ScramOptions = {},
): Promise<string> {
  // Of SASLprep this is the part that changes anything a person would type.
  const secret = utf8.encode(password.normalize("NFKC"));
  const material = await crypto.subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]);
  const algorithm = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  const salted = await crypto.subtle.deriveBits(algorithm, material, 256);

  const clientKey = await hmac(salted, "Client Key");
  const serverKey = await hmac(salted, "Server Key");
  const storedKey = await crypto.subtle.digest("SHA-256", clientKey);
  return `SCRAM-SHA-256$${iterations}:${salt.toBase64()}` +
    `$${base64(storedKey)}:${base64(serverKey)}`;
}

async function hmac(key: ArrayBuffer, message: string): Promise<ArrayBuffer> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return crypto.subtle.sign("HMAC", imported, utf8.encode(message));
}

function base64(bytes: ArrayBuffer): string {
  return new Uint8Array(bytes).toBase64();
}
