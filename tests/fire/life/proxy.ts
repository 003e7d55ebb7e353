/** Stands in the middle of a link, and can hurt it. */
export interface Proxy extends AsyncDisposable {
  port: number;
  /** Resets every connection. */
  cut(): void;
  /** Closes one direction of every connection, so that one side still waits for the other. */
  halfClose(): void;
  /** Holds all bytes back until called with `false`. */
  stall(on: boolean): void;
  /** Turns new connections away until called with `false`. */
  refuse(on: boolean): void;
}

/** Listens on a free port of this machine and hands everything on to another. */
export function openProxy(
  target: { hostname: string; port: number },
  hostname = "127.0.0.1",
): Proxy {
  const listener = Deno.listen({ hostname, port: 0 });
  const pairs = new Set<[Deno.Conn, Deno.Conn]>();
  let refuses = false;
  let gate = Promise.withResolvers<void>();
  gate.resolve();

  const end = (pair: [Deno.Conn, Deno.Conn]) => {
    if (!pairs.delete(pair)) return;
    for (const conn of pair) close(conn);
  };
  const pump = async (from: Deno.Conn, to: Deno.Conn, pair: [Deno.Conn, Deno.Conn]) => {
    try {
      await carry(from, to, () => gate.promise);
    } catch {
      end(pair); // one side is gone: so is the other
    }
  };
  const serve = async (client: Deno.Conn) => {
    if (refuses) return close(client);
    try {
      const pair: [Deno.Conn, Deno.Conn] = [client, await Deno.connect(target)];
      pairs.add(pair);
      await Promise.all([pump(pair[0], pair[1], pair), pump(pair[1], pair[0], pair)]);
      end(pair);
    } catch {
      close(client); // nobody listens behind us
    }
  };
  const serving = (async () => {
    for await (const client of listener) void serve(client);
  })();

  return {
    port: listener.addr.transport === "tcp" ? listener.addr.port : 0,
    cut() {
      for (const pair of [...pairs]) end(pair);
    },
    halfClose() {
      for (const [, server] of pairs) server.closeWrite().catch(() => {});
    },
    stall(on) {
      gate.resolve();
      gate = Promise.withResolvers<void>();
      if (!on) gate.resolve();
    },
    refuse(on) {
      refuses = on;
    },
    async [Symbol.asyncDispose]() {
      gate.resolve();
      listener.close();
      for (const pair of [...pairs]) end(pair);
      await serving.catch(() => {});
    },
  };
}

/** Hands on what comes, each time the gate is open, until no more does. */
async function carry(from: Deno.Conn, to: Deno.Conn, open: () => Promise<void>): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    await open();
    for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
  }
  await to.closeWrite();
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // closed by the other side already
  }
}
