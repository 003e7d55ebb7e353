import { assert, assertEquals, assertMatch } from "@std/assert";
import { z } from "zod";
import { createHandler, Env } from "../../supabase/functions/strata-relay/handler.ts";
import { badInput } from "../support/bad_input.ts";
import { type TestDatabase } from "../support/database.ts";
import { makeEveryType } from "../support/every_type.ts";
import { call, TEST_ENV, testDeps } from "../support/function_deps.ts";
import {
  addNotes,
  assertAtPeace,
  endPauses,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  setAsideOn,
  settle,
  whereabouts,
} from "../support/moves.ts";
import { testProject } from "../support/project.ts";
import { relaySlice } from "../support/relay.ts";
import { counted, countOwnSize, makeCritical } from "../support/space.ts";

const KEYS = JSON.stringify(TEST_ENV.SUPABASE_SECRET_KEYS);
const BARE = Env.parse({ ...TEST_ENV, SUPABASE_SECRET_KEYS: KEYS });
const LINK = { from: "core", to: "main" };

badInput("strata-relay", {
  handler: () => createHandler(testDeps({ env: BARE })),
  good: [{ method: "POST", body: LINK }],
  texts: [{
    method: "POST",
    body: (dataset) => ({ ...LINK, dataset }),
    status: 422, // its name does no harm; the tiers are unknown
    code: "tier_unknown",
  }],
});

/** The function itself, in real time. */
function relay(env: Partial<Env>, fetcher: typeof fetch = fetch) {
  const deps = testDeps({
    env: { ...BARE, ...env },
    fetch: (input, init) => fetcher(input, init),
    now: () => Date.now(),
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  });
  const handler = createHandler(deps);
  return async (body: Record<string, unknown> = LINK, query = "") => {
    const response = await handler(call("POST", query, { body }));
    return { status: response.status, said: await response.json() };
  };
}

/** Only the relay between two tiers: for what concerns it alone. */
function relayTest(name: string, test: (chain: MoveChain) => Promise<void>) {
  moveTest(name, test, { drivers: ["relay"] });
}

async function projects({ core, main }: { core: TestDatabase; main: TestDatabase }) {
  const [hot, cold] = [testProject(core), testProject(main)];
  const env = {
    STRATA_CORE_URL: hot.url,
    STRATA_CORE_KEY: hot.secretKey,
    STRATA_MAIN_URL: cold.url,
    STRATA_MAIN_KEY: cold.secretKey,
  };
  const dispose = async () => {
    await Promise.all([hot[Symbol.asyncDispose](), cold[Symbol.asyncDispose]()]);
  };
  return await Promise.resolve({ env, [Symbol.asyncDispose]: dispose });
}

relayTest("values of every type cross unchanged, over HTTP", async (chain) => {
  const { core } = chain;
  await makeEveryType(core.sql);
  await core.sql`select strata.manage('public.every_type', p_size_limit_kb => null)`;
  const before = await whereabouts(chain, "every_type");
  await using both = await projects(chain);

  const { status, said } = await relay(both.env)();

  assertEquals([status, said.outcome, said.over], [200, "carried", "http"]);
  assertEquals([said.rows, said.failed, said.left], [before.size, [], false]);
  const moved = new Map([...before].map(([key, at]) => [key, at.replace("core", "main")]));
  assertEquals(await whereabouts(chain, "every_type"), moved);
  await assertAtPeace(chain);
});

relayTest("values of every type cross unchanged, over Postgres", async (chain) => {
  const { core, main } = chain;
  await makeEveryType(core.sql);
  await core.sql`select strata.manage('public.every_type', p_size_limit_kb => null)`;
  const before = await whereabouts(chain, "every_type");
  const env = { STRATA_CORE_DB_URL: core.url, STRATA_MAIN_DB_URL: main.url };

  const { said } = await relay(env)();

  assertEquals([said.outcome, said.over, said.rows], ["carried", "postgres", before.size]);
  const moved = new Map([...before].map(([key, at]) => [key, at.replace("core", "main")]));
  assertEquals(await whereabouts(chain, "every_type"), moved);
  await assertAtPeace(chain);
});

relayTest(
  "a batch that is all there crosses back as one proof, however many rows",
  async (chain) => {
    await makeNotes(chain.core, 300);
    await using both = await projects(chain);
    const proofs: string[] = [];
    const listen: typeof fetch = (input, init) => {
      if (String(input).endsWith("/relay_purge")) {
        proofs.push(
          z.object({ p_proofs: z.string() }).parse(JSON.parse(String(init?.body))).p_proofs,
        );
      }
      return fetch(input, init);
    };

    const { said } = await relay(both.env, listen)();

    assertEquals([said.outcome, said.rows], ["carried", 300]);
    assertEquals(proofs.length, 1);
    assertMatch(proofs[0] ?? "", /^\{"\\\\x[0-9a-f]{64}"\}$/);
  },
);

relayTest("a dry run says how it would go, and moves nothing", async (chain) => {
  await makeNotes(chain.core);
  await using both = await projects(chain);
  const { status, said } = await relay(both.env)(LINK, "?dry_run=1");
  assertEquals([status, said], [200, { ...LINK, over: "http" }]);
  assertEquals(await idsOf(chain.core), [1, 2, 3]);
});

relayTest(
  "a tier that does not answer is said and noted, and left in peace until its pause is over",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core);
    await using both = await projects(chain);
    const gone = { ...both.env, STRATA_MAIN_URL: "http://127.0.0.1:9" };
    assertEquals((await relay(gone)()).said.error.code, "tier_unreachable");

    await main.sql`revoke execute on function strata.relay_open_arrivals(text) from service_role`;
    const down = await relay(both.env)();
    assertEquals([down.status, down.said.outcome], [502, "link down"]);
    const [link] = await core.sql`
    select trouble_sqlstate as code, next_try_at is not null as pausing from strata.links`;
    assertEquals({ ...link }, { code: "42501", pausing: true });

    await main.sql`grant execute on function strata.relay_open_arrivals(text) to service_role`;
    assertEquals((await relay(both.env)()).said.outcome, "not our turn");
    await endPauses(chain);
    assertEquals((await relay(both.env)()).said.rows, 3);
    assertEquals(await idsOf(main), [1, 2, 3]);
    await assertAtPeace(chain);
  },
);

relayTest("an address that leads to another tier is refused", async (chain) => {
  await makeNotes(chain.core);
  await using both = await projects(chain);
  const { STRATA_CORE_URL, STRATA_CORE_KEY } = both.env;
  const wrong = { ...both.env, STRATA_MAIN_URL: STRATA_CORE_URL, STRATA_MAIN_KEY: STRATA_CORE_KEY };
  const { status, said } = await relay(wrong)();
  assertEquals([status, said.error.code], [409, "wrong_tier"]);
  assertEquals(await idsOf(chain.core), [1, 2, 3]);
});

moveTest("a link with another driver is not relayed", async (chain) => {
  await makeNotes(chain.core);
  await using both = await projects(chain);
  const { status, said } = await relay(both.env)();
  assertEquals([status, said.error.code], [409, "no_relay"]);
  assertEquals(await idsOf(chain.core), [1, 2, 3]);
}, { drivers: ["pull"] });

relayTest(
  "one run works on a link at a time; the lease of one that died runs out",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core);
    const died = crypto.randomUUID();
    await core.sql`select strata.relay_begin('main', ${died}, 60)`;
    assertEquals((await relaySlice(core, main)).outcome, "not our turn");
    await core.sql`update strata.leases set expires_at = clock_timestamp()`;
    assertEquals((await relaySlice(core, main)).rows, 3);
    assertEquals((await core.sql`select from strata.leases`).length, 0);
  },
);

relayTest(
  "a slice without time left stops after one batch and asks to be called again",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await core.sql`update strata.settings set value = 2 where name = 'batch_rows'`;
    await addNotes(core.sql, 1, 5);
    const slices = [];
    for (const _ of [1, 2, 3]) slices.push(await relaySlice(core, main, { sliceMs: 0 }));
    assertEquals(slices.map(({ rows, left }) => [rows, left]), [[2, true], [2, true], [1, true]]);
    assertEquals((await relaySlice(core, main, { sliceMs: 0 })).left, false);
    await assertAtPeace(chain);
  },
);

relayTest(
  "a slice carries so many batches as a worker has CPU for, and leaves the rest",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 25);
    await core.sql`update strata.settings set value = 1 where name = 'batch_rows'`;
    const { rows, batches, left } = await relaySlice(core, main);
    assertEquals([rows, batches, left], [20, 20, true]);
    assertEquals((await relaySlice(core, main)).rows, 5);
    await assertAtPeace(chain);
  },
);

relayTest("a row that is too long to be carried is set aside, the others go", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core);
  await core.sql`select strata.manage('public.notes', p_size_limit_kb => null)`;
  await core.sql`
    update public.notes set body = (select string_agg(gen_random_uuid()::text, '') from generate_series(1, 250000))
     where id = 2`;

  await settle(chain);

  assertEquals([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);
  const [aside] = await setAsideOn(core);
  assertEquals([aside?.key, aside?.code], ["2", "ST044"]);

  assertMatch(
    aside?.remedy ?? "",
    /or hold it: select strata\.hold\('notes', p_key => …, p_reason => …\);$/,
  );
  await core.sql`select strata.hold('notes', p_key => array['2'], p_reason => 'too long')`;
  await core.sql`call strata.look()`;
  assertEquals(await setAsideOn(core), []);
});

/** Rows of some 300 bytes whose text takes almost three times as many. */
async function makeReadings({ sql }: TestDatabase, rows: number, days: number) {
  const columns = Array.from({ length: 30 }, (_, at) => `n${at} float8 default random()`);
  await counted(
    sql,
    `create table public.readings (id bigint primary key, created_at timestamptz, ${columns})`,
    `insert into public.readings (id, created_at)
     select id, timestamptz '2026-01-01' + id * interval '1 second' from generate_series(1, ${rows}) as id`,
    "vacuum (analyze) public.readings",
  );
  await sql`
    select strata.manage('public.readings', p_core_retention_days => ${days}, p_main_retention_days => null, p_delete_after_days => null)`;
}

relayTest("rows whose text is long for their size fill batches by their text", async (chain) => {
  const { core, main } = chain;
  await makeReadings(core, 15_000, 30);
  await settle(chain);
  const [there] = await main.sql`select count(*)::integer as rows from public.readings`;
  assertEquals(there?.rows, 15_000);
  const batches = await core.sql<{ bytes: number }[]>`
    select bytes::integer as bytes from strata.moves where rows_claimed > 1 order by started_at`;
  const others = batches.map(({ bytes }) => bytes).slice(2, -1); // without the first small ones and what was left
  assert(others.length > 0);
  for (const bytes of others) assert(bytes > 3_000_000 && bytes < 3_300_000, `${bytes} bytes`);
});

relayTest("a drain gets rows over a relay whose text is long for their size", async (chain) => {
  const { core, main } = chain;
  await makeReadings(core, 30_000, 10_000); // nothing is due by its age
  await countOwnSize(core.sql);
  await makeCritical(core.sql, "core", 5);
  await core.sql`call strata.watch()`;
  await core.sql`call strata.go_on()`; // says what each dataset gives
  const { rows, failed } = await relaySlice(core, main);
  assertEquals(failed, []);
  assert(rows > 8_000, `${rows} rows`);
  const found = await core.sql`select from strata.set_aside`;
  assertEquals(found.length, 0);
});

relayTest("rows that are small on disk and long as text go in smaller batches", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core, 12);
  await core.sql`select strata.manage('public.notes', p_size_limit_kb => null)`;
  await core.sql`update public.notes set body = repeat('x', 1000000)`; // a few KB each, compressed
  await settle(chain);
  assertEquals([await idsOf(core), (await idsOf(main)).length], [[], 12]);
  const [longest] = await core
    .sql`select max(bytes)::integer as bytes, count(*)::integer as moves from strata.moves`;
  assert(longest?.bytes <= 6291456 && longest?.moves > 1, `${longest?.bytes} in ${longest?.moves}`);
  await assertAtPeace(chain);
});
