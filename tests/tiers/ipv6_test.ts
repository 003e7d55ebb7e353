import { assertEquals } from "@std/assert";
import { pushFiles } from "../../cli/lib/supabase.ts";
import { connect } from "../../cli/lib/session.ts";
import { connectSql } from "../../supabase/functions/_strata/protocol/strata_sql_rpc.ts";
import { testChain } from "../support/chain.ts";
import { testDatabase } from "../support/database.ts";
import { hasIpv6 } from "../support/ipv6.ts";
import { addNote, idsOn, manageNotes, settle } from "../support/notes.ts";
import { openProxy } from "../fire/life/proxy.ts";

const options = { ignore: !hasIpv6() };

/** The same database at an IPv6 address. */
function over(address: string) {
  const url = new URL(address);
  const proxy = openProxy({ hostname: url.hostname, port: Number(url.port) }, "::1");
  url.hostname = "[::1]";
  url.port = `${proxy.port}`;
  return { proxy, address: url.href };
}

Deno.test("a database is dialled at an IPv6 address", options, async () => {
  await using db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  const { proxy, address } = over(db.url);
  await using _ = proxy;
  const sql = connect(address);
  assertEquals([...await sql`select strata.tier() as tier`], [{ tier: "core" }]);
  await sql.end();
  const { rpc, close } = connectSql(address);
  assertEquals(await rpc("tier"), "core");
  await close();
  await pushFiles(address, []); // by the Supabase CLI
});

Deno.test("a tier dials its neighbour at an IPv6 address", options, async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core, main } = chain;
  const { proxy } = over(main.url);
  await using _ = proxy;
  await core.sql.unsafe(
    `alter server strata_main options (set host '::1', set port '${proxy.port}')`,
  );
  await manageNotes(core.sql);
  await addNote(core.sql, 1, "2020-01-01");
  await settle(chain);
  assertEquals(await idsOn(main.sql), [1]);
});
