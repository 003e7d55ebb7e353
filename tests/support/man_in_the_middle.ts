/** Somebody who stands between a client and a database, and asks for the password in clear text. */
import { giveToServer } from "../../local/server_user.ts";

/** What the man in the middle does when he is asked for encryption. */
export type Manner = "strips" | "own certificate" | "forwards";

/** One who listens at an address that is not loopback. */
export interface Middleman extends AsyncDisposable {
  host: string;
  port: number;
  /** How often he was dialled. */
  readonly dialled: number;
  /** Everything that he can read, as text. */
  readonly heard: string;
}

const ASK_FOR_PASSWORD = new Uint8Array([82, 0, 0, 0, 8, 0, 0, 0, 3]);
const [YES, NO] = [new Uint8Array([83]), new Uint8Array([78])];

/** An address of this machine by which others reach it. */
export function outsideAddress(): string {
  const found = Deno.networkInterfaces()
    .find(({ family, address }) => family === "IPv4" && !address.startsWith("127."));
  if (found === undefined) throw new Error("this machine has no address besides loopback");
  return found.address;
}

/** A self-signed certificate for an address, in files that the servers may read. */
export async function selfSigned(
  host: string,
): Promise<{ cert: string; key: string; file: string }> {
  const directory = await Deno.makeTempDir({ prefix: "strata-certificate-" });
  const file = `${directory}/crt`;
  const { success } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-days", "2", "-subj", "/CN=middle", "-addext", `subjectAltName=IP:${host}`],
      ...["-keyout", `${directory}/key`, "-out", file],
    ],
    stderr: "null",
  }).output();
  if (!success) throw new Error("openssl made no certificate");
  const key = await Deno.readTextFile(`${directory}/key`);
  await giveToServer(directory);
  return { cert: await Deno.readTextFile(file), key, file };
}

/** Begins to stand there; `target` is the port on loopback to which one who forwards leads. */
export async function middleman(manner: Manner, target = 0): Promise<Middleman> {
  const host = outsideAddress();
  const { cert, key } = await selfSigned(host);
  const outer = Deno.listen({ hostname: host, port: 0 });
  const inner = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  const state = { dialled: 0, heard: "" };
  const hear = (bytes: Uint8Array) => state.heard += new TextDecoder("latin1").decode(bytes);
  const innerPort = inner.addr.transport === "tcp" ? inner.addr.port : 0;
  accept(inner, (conn) => interrogate(conn, hear));
  accept(outer, async (conn) => {
    state.dialled++;
    if (manner === "forwards") return await splice(conn, target);
    await conn.read(new Uint8Array(8)); // SSLRequest
    await conn.write(manner === "strips" ? NO : YES);
    await (manner === "strips" ? interrogate(conn, hear) : splice(conn, innerPort));
  });
  return {
    host,
    port: outer.addr.transport === "tcp" ? outer.addr.port : 0,
    get dialled() {
      return state.dialled;
    },
    get heard() {
      return state.heard;
    },
    [Symbol.asyncDispose]() {
      outer.close();
      inner.close();
      return Promise.resolve();
    },
  };
}

function accept(listener: Deno.Listener<Deno.Conn>, serve: (conn: Deno.Conn) => Promise<void>) {
  void (async () => {
    for await (const conn of listener) void serve(conn).catch(() => {}).finally(() => shut(conn));
  })().catch(() => {}); // it was closed
}

/** Writes down what comes, and asks once for the password. */
async function interrogate(conn: Deno.Conn, hear: (bytes: Uint8Array) => void): Promise<void> {
  const buffer = new Uint8Array(4096);
  for (let asked = false;; asked = true) {
    const length = await conn.read(buffer);
    if (length === null) return;
    hear(buffer.subarray(0, length));
    if (asked) return;
    await conn.write(ASK_FOR_PASSWORD);
  }
}

async function splice(conn: Deno.Conn, port: number): Promise<void> {
  const other = await Deno.connect({ hostname: "127.0.0.1", port });
  await Promise.allSettled([
    conn.readable.pipeTo(other.writable),
    other.readable.pipeTo(conn.writable),
  ]);
}

function shut(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch { /* it is closed */ }
}
