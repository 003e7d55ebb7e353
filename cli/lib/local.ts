/** Whether an address is one of this machine, as those of the local stack are. */
export function isLocal(url: string): boolean {
  const host = new URL(url).hostname.toLowerCase();
  return ["127.0.0.1", "localhost", "[::1]"].includes(host) || host.startsWith("%2f"); // a socket
}
