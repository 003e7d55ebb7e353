/** Who stands between two tiers, or between us and a tier, gets no password, no key and no row. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { connect } from "../../cli/lib/session.ts";
import { cliAddress, PUSH, pushFiles, supabase, SupabaseFailed } from "../../cli/lib/supabase.ts";
import { DatabaseError } from "../../supabase/functions/_strata/http/errors.ts";
import { connectSql } from "../../supabase/functions/_strata/protocol/strata_sql_rpc.ts";
import { commandLine } from "../cli/support.ts";
import { type Driver, type TestChain, testChain } from "../support/chain.ts";
import type { TestDatabase } from "../support/database.ts";
import {
  type Manner,
  type Middleman,
  middleman,
  selfSigned,
} from "../support/man_in_the_middle.ts";
import { addNote, idsOn, manageNotes } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";
import { moverPassword } from "../support/stack.ts";

const TIERS = ["core", "main"] as const;
const SECRET = "a diary nobody else should read";
const MANNERS: [Manner, RegExp][] = [
  ["strips", /cannot be reached: .*server does not support SSL, but SSL was required/s],
  ["own certificate", /cannot be reached: .*SSL error: certificate verify failed/s],
];

interface Ends {
  driving: TestDatabase;
  driven: TestDatabase;
}

function endsOf({ core, main }: TestChain, driver: Driver): Ends {
  return driver === "push" ? { driving: core, driven: main } : { driving: main, driven: core };
}

/** A row that is due, and a link that leads through the middle from now on. */
async function standBetween(
  chain: TestChain,
  driver: Driver,
  { host, port }: Middleman,
  { sslmode, ca, because }: { sslmode?: string; ca?: string; because?: string },
): Promise<Ends> {
  const ends = endsOf(chain, driver);
  await manageNotes(chain.core.sql, { core_retention_days: 0 });
  await addNote(chain.core.sql, 1, "2000-01-01", SECRET);
  const database = new URL(ends.driven.url).pathname.slice(1);
  await ends.driving.sql`
    select strata.join_tier(p_tier => ${ends.driven.tier}, p_driver => ${driver}, p_host => ${host}, p_port => ${port},
      p_database => ${database}, p_password => ${await moverPassword()}, p_sslmode => ${
    sslmode ?? null
  },
      p_ca => ${ca ?? null}, p_insecure_because => ${because ?? null})`;
  return ends;
}

async function linkOf({ driving, driven }: Ends) {
  const [row] = await driving.sql<
    { links: { neighbour: string; sqlstate: string; trouble: string; remedy: string }[] }[]
  >`
    select strata.status() -> 'links' as links`;
  return row?.links.find(({ neighbour }) => neighbour === driven.tier);
}

async function assertNothingWasHad(chain: TestChain, middle: Middleman): Promise<void> {
  assert(!middle.heard.includes(await moverPassword()));
  assert(!middle.heard.includes("strata_mover"));
  assert(!middle.heard.includes(SECRET));
  assertEquals([await idsOn(chain.core.sql), await idsOn(chain.main.sql)], [[1], []]);
}

for (const driver of ["push", "pull"] as const) {
  for (const [manner, says] of MANNERS) {
    Deno.test(`${driver}: nothing is sent to one who ${manner === "strips" ? "strips TLS" : "shows a certificate of his own"}`, async () => {
      await using chain = await testChain({ tiers: TIERS, driver });
      await using middle = await middleman(manner);
      const { file } = await selfSigned(middle.host); // the CA that the owner named: another one
      const ends = await standBetween(chain, driver, middle, { ca: file });

      await ends.driving.sql`call strata.move_due()`;

      const link = await linkOf(ends);
      assertEquals(link?.sqlstate, "ST008");
      assertMatch(link?.trouble ?? "", says);
      assertMatch(
        link?.remedy ?? "",
        /turn ssl on there with a certificate .* somebody stands between/,
      );
      assert(middle.dialled > 0);
      await assertNothingWasHad(chain, middle);
    });
  }
}

Deno.test("one who may pose as the tier, because the owner decided so, does hear the password", async () => {
  await using chain = await testChain({ tiers: TIERS, driver: "push" });
  await using middle = await middleman("own certificate");
  const ends = await standBetween(chain, "push", middle, { sslmode: "require", because: "a test" });
  await ends.driving.sql`call strata.move_due()`;
  assert(middle.heard.includes(await moverPassword())); // so the others would have heard it, too
});

Deno.test("a server that was edited by hand to less than verify-full is not even dialled", async () => {
  for (const options of ["set sslmode 'prefer'", "drop sslmode", "set sslmode 'verify-ca'"]) {
    await using chain = await testChain({ tiers: TIERS, driver: "push" });
    await using middle = await middleman("strips");
    const ends = await standBetween(chain, "push", middle, {});
    await ends.driving.sql.unsafe(`alter server strata_main options (${options})`);

    await ends.driving.sql`call strata.move_due()`;

    const link = await linkOf(ends);
    assertEquals(link?.sqlstate, "ST007");
    assertMatch(
      link?.trouble ?? "",
      /^the line to main at [\d.]+ would not be safe: its sslmode is/,
    );
    assertMatch(link?.remedy ?? "", /^leave sslmode out of the link in strata\.yaml/);
    assertEquals(middle.dialled, 0);
    await assertNothingWasHad(chain, middle);
  }
});

Deno.test("a loopback name does not hide another address", async () => {
  await using chain = await testChain({ tiers: TIERS, driver: "push" });
  await using middle = await middleman("strips");
  const { driving, driven } = endsOf(chain, "push");
  await driving.sql.unsafe(
    `alter server strata_main options (add hostaddr '${middle.host}', set port '${middle.port}')`,
  );
  const { code } = await refusal(driving.sql`select strata.dial(${driven.tier})`);
  assertEquals([code, middle.dialled], ["ST007", 0]);
});

for (const [manner] of MANNERS) {
  Deno.test(`the command line tells its password to nobody who ${manner}`, async () => {
    await using cli = await commandLine(["core", "main"]);
    await using middle = await middleman(manner);
    const { file } = await selfSigned(middle.host);
    const address = `postgresql://postgres:hush-hush@${middle.host}:${middle.port}/postgres`;
    cli.environment["STRATA_MAIN_DB_URL"] = address;
    await cli.configure("", { main: `{ pool_size: 30, ca: ${file} }` });

    const { err } = await cli.strata("setup", "--validate");

    assertMatch(err, /main is skipped: its certificate cannot be believed|it does not encrypt/);
    assertMatch(err, /→ .*certificate/);
    const trust = { ca: await Deno.readTextFile(file), caFile: file };
    await assertRejects(() => pushFiles(address, [], trust));
    const remote = `--remote=${cliAddress(address, trust)}`; // as if that had not stopped it
    await assertRejects(() => supabase("db push", remote, ...PUSH), SupabaseFailed);
    for (const given of [{}, trust]) {
      const sql = connect(address, given);
      await assertRejects(() => sql`select`.execute());
      await sql.end({ timeout: 0 });
    }
    assert(middle.dialled > 0);
    assert(!/hush-hush|postgres/.test(middle.heard), middle.heard);
  });

  Deno.test(`the relay tells its password to nobody who ${manner}`, async () => {
    await using middle = await middleman(manner);
    const address = `postgresql://postgres:hush-hush@${middle.host}:${middle.port}/postgres`;
    const { rpc, close } = connectSql(address);
    await assertRejects(() => rpc("relay_hello"), DatabaseError);
    await close();
    assert(middle.dialled > 0);
    assert(!/hush-hush|postgres/.test(middle.heard), middle.heard);
  });
}
