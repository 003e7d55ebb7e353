/**
 * Where a key, a token or a password may go: over TLS anywhere, in clear text only to this machine or into
 * a private network, and never on to where an answer redirects.
 */

/** Whether a host is this machine. A name that only begins like one of its addresses is not. */
export function isLoopback(host: string): boolean {
  const name = bare(host);
  return name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name) ||
    name.startsWith("%2f") || name.startsWith("/"); // a socket
}

/** Whether a host is of a network that nobody outside can reach: by its address, or by its name. */
export function isPrivate(host: string): boolean {
  const name = bare(host);
  if (isLoopback(host)) return true;
  if (name.includes(":")) return /^(f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):/.test(name);
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(name)) {
    const [a = 0, b = 0] = name.split(".").map(Number);
    return a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) ||
      (a === 100 && b >= 64 && b < 128);
  }
  return !name.includes(".") || /\.(local|home|lan)$/.test(name);
}

/** What speaks against sending a key to an address; undefined where nothing does. */
export function keyObjection(url: string): string | undefined {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" || (protocol === "http:" && isPrivate(hostname))) return undefined;
  return "would send the key in clear text over other people's networks: write https://";
}

/** What is to be known of an address that gets a key in clear text after all. */
export function keyWarning(url: string): string | undefined {
  const { protocol, hostname } = new URL(url);
  if (protocol !== "http:" || isLoopback(hostname)) return undefined;
  return "gets the key in clear text: whoever listens in that network has it";
}

/** An answer pointed elsewhere. It names no address: that may hold a secret. */
export class RedirectError extends Error {
  /** Keeps the status of the answer. */
  constructor(readonly status: number) {
    super(
      `the address answers with a redirect (${status}), which is not followed: the key is meant for no other`,
    );
    this.name = "RedirectError";
  }
}

/** `fetch` for calls that carry a key: it follows no redirect. */
export function keyFetch(fetcher: typeof fetch = fetch): typeof fetch {
  return async (input, init) => {
    const response = await fetcher(input, { ...init, redirect: "manual" });
    if (![301, 302, 303, 307, 308].includes(response.status)) return response;
    await response.body?.cancel();
    throw new RedirectError(response.status);
  };
}

/** A host without what is only written around it: an IPv6 address in a URL stands in brackets. */
export function bare(host: string): string {
  return host.toLowerCase().replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}
