import { assertEquals, assertMatch } from "@std/assert";
import { addNotes, endPauses, rowsOfChain, settle } from "../support/moves.ts";
import { relay } from "./relay.ts";
import { releasedChain, upgrade } from "./support.ts";

for (const first of ["core", "main"] as const) {
  const other = first === "core" ? "main" : "core";
  Deno.test(`the relay carries nothing while only ${first} is upgraded, says so on it, and goes on when ${other} is`, async () => {
    await using chain = await releasedChain({ core: "0.0", main: "0.0" }, "relay");
    await chain.core.sql`create table public.notes (
      id bigint primary key, created_at timestamptz not null default now(), body text)`;
    await chain.core.sql`select strata.manage('public.notes')`;
    await addNotes(chain.core.sql, 1, 5);
    const before = await rowsOfChain(chain);
    await upgrade(chain[first]);

    const { status, said } = await relay(chain);
    assertEquals(status, 409);
    const expected = new RegExp(
      `${other} has Strata 0.0 \\(protocols 1 to 1\\).*: upgrade ${other}`,
    );
    assertMatch(said, expected);
    const [link] = await chain[first]
      .sql`select trouble_sqlstate as code, trouble from strata.links`;
    assertEquals(link?.["code"], "ST069");
    assertMatch(link?.["trouble"], expected);
    assertEquals(await rowsOfChain(chain), before);

    await upgrade(chain[other]);
    await endPauses(chain);
    await settle(chain);
    assertEquals(await rowsOfChain(chain), before);
  });
}
