import { assertEquals } from "@std/assert";
import { wakeCheck } from "../../supabase/functions/_strata/http/wake.ts";
import { testDatabase } from "../support/database.ts";

/** RFC 4231: key, data and HMAC-SHA-256; the key of the last two is longer than a block. */
const VECTORS: [key: string, data: string, hmac: string][] = [
  [
    "0b".repeat(20),
    "4869205468657265",
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  ],
  [
    "4a656665",
    "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  ],
  [
    "aa".repeat(20),
    "dd".repeat(50),
    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
  ],
  [
    "0102030405060708090a0b0c0d0e0f10111213141516171819",
    "cd".repeat(50),
    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
  ],
  [
    "aa".repeat(131),
    "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
  ],
  [
    "aa".repeat(131),
    "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565647320746f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c676f726974686d2e",
    "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
  ],
];

Deno.test("hmac_sha256() is that of RFC 4231, and of an empty key", async () => {
  await using db = await testDatabase();
  const hmac = async (key: string, data: string) => {
    const [row] = await db.sql`
      select encode(strata.hmac_sha256(decode(${key}, 'hex'), decode(${data}, 'hex')), 'hex') as hmac`;
    return row?.hmac;
  };
  for (const [key, data, expected] of VECTORS) assertEquals(await hmac(key, data), expected);
  const empty = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
  assertEquals(await hmac("", ""), empty);
});

interface Queued {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Uint8Array;
}

Deno.test("invoke() queues a signed wake of a function, and only when address and secret are known", async () => {
  await using db = await testDatabase();
  const invoke = async () => {
    const [row] = await db.sql`select strata.invoke('strata-notify', '{"wake": true}') as request`;
    return row?.request ?? null;
  };
  assertEquals(await invoke(), null);
  await db.sql`select strata.set_secret('project_url', 'https://x.supabase.co/')`;
  assertEquals(await invoke(), null);
  await db.sql`select strata.set_secret('wake_secret', 'swordfish')`;

  await db.sql.begin(async (sql) => { // not committed, so nobody takes it away
    await sql`select strata.invoke('strata-notify', '{"wake": true, "ä": [1.50, null]}')`;
    const found = await sql<
      Queued[]
    >`select method, url, headers, body from net.http_request_queue`;
    const [queued] = found;
    if (queued === undefined) throw new Error("nothing is queued");
    assertEquals(queued.method, "POST");
    assertEquals(queued.url, "https://x.supabase.co/functions/v1/strata-notify");
    assertEquals(Object.keys(queued.headers).sort(), ["Content-Type", "x-strata-wake"]);
    const request = new Request(queued.url, { method: "POST", headers: queued.headers });
    const genuine = (name: string, secret: string, body: Uint8Array) => {
      return wakeCheck(name, secret, () => Date.now()).isGenuine(request, body);
    };
    const body = new Uint8Array(queued.body);
    assertEquals(await genuine("strata-notify", "swordfish", body), true);
    assertEquals(await genuine("strata-voice", "swordfish", body), false);
    assertEquals(await genuine("strata-notify", "swordfisH", body), false);
    assertEquals(await genuine("strata-notify", "swordfish", body.slice(1)), false);
  });
});

Deno.test("set_secret() changes a secret in its place, forget_secret() takes it out", async () => {
  await using db = await testDatabase();
  for (const secret of ["one", "two", "two"]) {
    await db.sql`select strata.set_secret('wake_secret', ${secret})`;
  }
  const kept = await db.sql`select name, decrypted_secret from vault.decrypted_secrets`;
  assertEquals([...kept], [{ name: "wake_secret", decrypted_secret: "two" }]);
  for (const was of [true, false]) {
    const [row] = await db.sql`select strata.forget_secret('wake_secret') as was`;
    assertEquals(row?.was, was);
  }
});
