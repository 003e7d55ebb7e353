import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseError } from "../../supabase/functions/_strata/http/errors.ts";
import { testDatabase } from "../support/database.ts";
import { rpcTo } from "../support/rpc.ts";

Deno.test("rpcTo() calls what is granted to service_role, and only that", async () => {
  await using db = await testDatabase();
  await db.sql.unsafe(`
    create function strata.add_up(p_a integer, p_b integer default 5) returns integer
      language sql security definer set search_path = '' as $$ select p_a + p_b $$;
    create function strata.list_up(p_names text[], p_more jsonb) returns table (name text, more jsonb)
      language sql security definer set search_path = '' as $$ select n, p_more from unnest(p_names) as n $$;
    create function strata.hidden() returns integer language sql set search_path = '' as $$ select 1 $$;
    create function strata.quiet() returns void language sql security definer set search_path = '' as $$ select $$;
    revoke execute on all functions in schema strata from public;
    grant execute on function strata.add_up, strata.list_up, strata.quiet to service_role`);
  const rpc = rpcTo(db.sql);

  assertEquals(await rpc("add_up", { p_a: 1, p_b: 2 }), 3);
  assertEquals(await rpc("add_up", { p_a: 1, p_b: undefined }), 6);
  assertEquals(await rpc("list_up", { p_names: ["x", "y"], p_more: { a: [1] } }), [
    { name: "x", more: { a: [1] } },
    { name: "y", more: { a: [1] } },
  ]);
  assertEquals(await rpc("quiet"), null);
  assertEquals((await assertRejects(() => rpc("hidden"), DatabaseError)).code, "42501");
  assertEquals(
    (await assertRejects(() => rpc("add_up", { p_c: 1 }), DatabaseError)).code,
    "PGRST202",
  );
  assertEquals(
    (await assertRejects(() => rpc("add_up", { p_a: 2147483647 }), DatabaseError)).code,
    "22003",
  );
});
