import { assertEquals } from "@std/assert";
import postgres from "postgres";
import { scramVerifier } from "../../cli/lib/scram.ts";
import { ownStack } from "../support/own_stack.ts";
import { refusal } from "../support/refusal.ts";
import { waitFor } from "../support/wait_for.ts";

const LIMIT = 3;

// Roles belong to a whole server, and the tests' common one has other tests' movers on it.
Deno.test("set_mover_login() lets a neighbour hold so many connections and not one more", async () => {
  await using stack = await ownStack(undefined, { content: "migrated" });
  const url = stack.env.STRATA_CORE_DB_URL ?? "";
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql`select strata.set_mover_login('main', ${await scramVerifier("open sesame")}, ${LIMIT})`;
  await sql.end();

  const login = { username: "strata_mover_main", password: "open sesame", max: 1 };
  const sessions = Array.from({ length: LIMIT }, () => postgres(url, login));
  for (const one of sessions) await one`select`;
  const oneMore = postgres(url, login);
  assertEquals(await refusal(oneMore`select`), {
    code: "53300",
    message: 'too many connections for role "strata_mover_main"',
    hint: undefined,
  });
  await Promise.all([...sessions, oneMore].map((one) => one.end()));
});

Deno.test("set_mover_login() of two databases of a server at once both succeed", async () => {
  await using stack = await ownStack(undefined, { content: "migrated" });
  const url = stack.env.STRATA_CORE_DB_URL ?? "";
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  const other = postgres(url, { max: 1, onnotice: () => {} });
  const verifier = await scramVerifier("open sesame");
  const [session] = await other`select pg_backend_pid() as pid`;
  const first = await sql.reserve();
  await first`begin`;
  await first`select strata.set_mover_login('main', ${verifier}, 2)`;
  const second = other`select strata.set_mover_login('main', ${verifier}, ${LIMIT})`.execute();
  await waitFor("the second one to wait for the first", async () => {
    const [waiting] = await first`
      select from pg_locks where pid = ${session?.pid} and not granted`;
    return waiting;
  });
  await first`commit`;
  first.release();
  await second;
  const [role] = await sql`
    select rolconnlimit as limit from pg_roles where rolname = 'strata_mover_main'`;
  assertEquals(role?.limit, LIMIT);
  await Promise.all([sql.end(), other.end()]);
});
