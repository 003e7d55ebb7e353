/** An address of this machine that answers no connection, as a machine that is switched off. */
export interface SilentAddress extends Disposable {
  port: number;
}

const ANSWERS_WITHIN_MS = 500;
const MOST = 5000;

/** Listens, and lets so many wait that the system drops whoever knocks next. */
export async function silentAddress(): Promise<SilentAddress> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const waiting: Promise<Deno.Conn>[] = [];
  let isFull = false;
  while (!isFull && waiting.length < MOST) {
    const one = Deno.connect({ hostname: "127.0.0.1", port });
    waiting.push(one);
    isFull = await Promise.race([one.then(() => false), timer(ANSWERS_WITHIN_MS)]);
  }
  if (!isFull) throw new Error(`${MOST} connections wait at one port, and it still answers`);
  return {
    port,
    [Symbol.dispose]() {
      listener.close();
      for (const one of waiting) one.then((conn) => conn.close(), () => {}); // refused by now
    },
  };
}

function timer(ms: number): Promise<true> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(() => resolve(true), ms)));
}
