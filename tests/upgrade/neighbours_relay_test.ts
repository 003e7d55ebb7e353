import { assertEquals, assertMatch } from "@std/assert";
import { createHandler, Env } from "../../supabase/functions/strata-relay/handler.ts";
import { call, TEST_ENV, testDeps } from "../support/function_deps.ts";
import { addNotes, endPauses, type MoveChain, rowsOfChain, settle } from "../support/moves.ts";
import { testProject } from "../support/project.ts";
import { releasedChain, upgrade } from "./support.ts";

/** What today's relay function says of the link between two tiers. */
async function relay({ core, main }: MoveChain): Promise<{ status: number; said: string }> {
  await using hot = testProject(core);
  await using cold = testProject(main);
  const env = Env.parse({
    ...TEST_ENV,
    SUPABASE_SECRET_KEYS: JSON.stringify(TEST_ENV.SUPABASE_SECRET_KEYS),
    STRATA_CORE_URL: hot.url,
    STRATA_CORE_KEY: hot.secretKey,
    STRATA_MAIN_URL: cold.url,
    STRATA_MAIN_KEY: cold.secretKey,
  });
  const deps = testDeps({ env, fetch: (input, init) => fetch(input, init) });
  const response = await createHandler(deps)(
    call("POST", "", { body: { from: "core", to: "main" } }),
  );
  const { error } = await response.json();
  return { status: response.status, said: error?.message ?? "" };
}

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
