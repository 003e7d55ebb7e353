import assert from "node:assert/strict";
import { testDatabase } from "../support/database.ts";

Deno.test("create_secret() keeps a secret that is read back decrypted and stored otherwise", async () => {
  await using db = await testDatabase();
  await db.sql`select vault.create_secret('hush', 'a_name', 'why it is here')`;
  const [row] = await db.sql`
    select name, description, decrypted_secret, secret <> decrypted_secret as is_encrypted
      from vault.decrypted_secrets`;
  assert.deepEqual({ ...row }, {
    name: "a_name",
    description: "why it is here",
    decrypted_secret: "hush",
    is_encrypted: true,
  });
});

Deno.test("create_secret() refuses a name twice and allows any number without one", async () => {
  await using db = await testDatabase();
  await db.sql`select vault.create_secret('one', 'same')`;
  await assert.rejects(db.sql`select vault.create_secret('two', 'same')`, { code: "23505" });
  await db.sql`select vault.create_secret('three'), vault.create_secret('four')`;
});

Deno.test("update_secret() changes what it is given and keeps what is null", async () => {
  await using db = await testDatabase();
  const [made] = await db.sql`select vault.create_secret('old', 'kept') as id`;
  await db.sql`select vault.update_secret(${made?.id}, new_secret => 'new')`;
  const [row] = await db.sql`select name, decrypted_secret from vault.decrypted_secrets`;
  assert.deepEqual({ ...row }, { name: "kept", decrypted_secret: "new" });
});

Deno.test("postgres may select and delete secrets, and never insert or update them", async () => {
  await using db = await testDatabase();
  await db.sql`select vault.create_secret('gone', 'soon')`;
  await assert.rejects(db.sql`insert into vault.secrets (secret) values ('x')`, { code: "42501" });
  await assert.rejects(db.sql`update vault.secrets set name = 'x'`, { code: "42501" });
  await assert.rejects(db.sql`select pg_read_file('vault.key')`, { code: "42501" });
  await db.sql`delete from vault.secrets where name = 'soon'`;
});

Deno.test("the API roles: service_role reads secrets, authenticated cannot see the schema", async () => {
  await using db = await testDatabase();
  await db.sql`select vault.create_secret('hush', 'a_name')`;
  await db.sql.begin(async (sql) => {
    await sql`set local role service_role`;
    assert.equal((await sql`select decrypted_secret from vault.decrypted_secrets`).length, 1);
  });
  const asUser = db.sql.begin(async (sql) => {
    await sql`set local role authenticated`;
    await sql`select decrypted_secret from vault.decrypted_secrets`;
  });
  await assert.rejects(asUser, { code: "42501" });
});
