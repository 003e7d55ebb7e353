import { assertEquals } from "@std/assert";
import { testDatabase } from "../support/database.ts";

Deno.test("invoke() queues a call of a function with the project's key, and only when it knows both", async () => {
  await using db = await testDatabase();
  const invoke = async () => {
    const [row] = await db.sql`select strata.invoke('notify', '{"wake": true}') as request`;
    return row?.request ?? null;
  };
  assertEquals(await invoke(), null);
  await db.sql`select strata.set_secret('project_url', 'https://x.supabase.co/')`;
  assertEquals(await invoke(), null);
  await db.sql`select strata.set_secret('secret_key', 'sb_secret_1')`;

  await db.sql.begin(async (sql) => { // not committed, so nobody takes it away
    await sql`select strata.invoke('notify', '{"wake": true}')`;
    const queued = await sql`
      select method, url, headers, convert_from(body, 'UTF8')::jsonb as body from net.http_request_queue`;
    assertEquals([...queued], [{
      method: "POST",
      url: "https://x.supabase.co/functions/v1/notify",
      headers: { "Content-Type": "application/json", apikey: "sb_secret_1" },
      body: { wake: true },
    }]);
  });
});

Deno.test("set_secret() changes a secret in its place", async () => {
  await using db = await testDatabase();
  for (const secret of ["one", "two", "two"]) {
    await db.sql`select strata.set_secret('secret_key', ${secret})`;
  }
  const kept = await db.sql`select name, decrypted_secret from vault.decrypted_secrets`;
  assertEquals([...kept], [{ name: "secret_key", decrypted_secret: "two" }]);
});
