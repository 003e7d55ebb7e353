import assert from "node:assert/strict";
import { type Config, ConfigFailure, loadConfig } from "../../cli/config/load.ts";
import { REPOSITORY } from "../../local/settings.ts";

const ENVIRONMENT = {
  STRATA_CORE_DB_URL: "postgresql://postgres:hidden@core.example:5432/postgres",
  STRATA_CORE_URL: "https://core.example",
  STRATA_CORE_KEY: "sb_secret_1",
  STRATA_MAIN_DB_URL: "postgresql://postgres:hidden@main.example:5432/postgres",
  STRATA_MAIN_URL: "https://main.example",
  STRATA_MAIN_KEY: "sb_secret_2",
  STRATA_ARCHIVE_DB_URL: "postgresql://postgres:hidden@archive.example:5432/postgres",
  STRATA_ARCHIVE_URL: "https://archive.example",
  STRATA_ARCHIVE_KEY: "sb_secret_3",
};

/** Reads the shipped configuration with something laid over it. */
async function config(
  local = "",
  environment: Record<string, string> = ENVIRONMENT,
): Promise<Config> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.copyFile(`${REPOSITORY}/strata.yaml`, `${directory}/strata.yaml`);
    await Deno.writeTextFile(`${directory}/strata.local.yaml`, local);
    return await loadConfig(`${directory}/strata.yaml`, environment);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What is wrong with a configuration: path and sentence of each problem. */
async function problems(local: string, environment?: Record<string, string>): Promise<string[]> {
  try {
    await config(local, environment);
  } catch (error) {
    if (!(error instanceof ConfigFailure)) throw error;
    assert.equal(error.exitCode, 2);
    return error.problems.map(({ path, says }) => `${path} ${says}`);
  }
  return [];
}

/** Asserts that exactly one problem is found, at a path, saying something. */
async function assertProblem(local: string, path: string, says: RegExp): Promise<void> {
  const found = await problems(local);
  assert.equal(found.length, 1, found.join("\n"));
  assert.ok(found[0]?.startsWith(`${path} `), found[0]);
  assert.match(found[0] ?? "", says);
}

Deno.test("load_config() takes the shipped file as it is, with the numbers of the design", async () => {
  const { tiers, links, policies, defaults } = await config();
  assert.deepEqual(tiers.map((t) => [t.key, t.capacityMb, t.warnMb, t.criticalMb, t.poolSize]), [
    ["core", 500, 400, 450, 10],
    ["main", 10_000, 8_500, 9_500, 20],
    ["archive", 50_000, 42_500, 47_500, 5],
  ]);
  assert.deepEqual(links.map(({ from, to }) => [from, to]), [["core", "main"], [
    "main",
    "archive",
  ]]);
  const ages = policies.map((p) =>
    [p.dataset, p.coreRetentionDays, p.mainRetentionDays, p.deleteAfterDays].join(" ")
  );
  assert.deepEqual(ages.sort(), [
    "analytics_events 30 365 2555",
    "bot_sessions 30 365 2555",
    "contacts 365 1825 -1",
    "daily_summaries 30 365 1095",
    "historical_analytics 0 0 2555",
    "journal_entries 7 365 1825",
    "learning_materials 0 365 2555",
    "media_files 0 0 2555",
    "productivity_analytics 0 365 2555",
    "projects 90 1095 3650",
    "raw_exports 0 0 2555",
    "research_notes 30 730 1825",
    "shadow_work_current 90 730 1825",
    "system_backups 0 0 2555",
    "tasks 30 365 2555",
    "templates 90 1825 -1",
    "voice_recordings 0 0 2555",
  ]);
  const limited = policies.filter((p) => p.sizeLimitKb !== null);
  assert.deepEqual(limited.map((p) => [p.dataset, p.sizeLimitKb]), [["research_notes", 100]]);
  const conditional = policies.filter((p) => p.dueWhen !== null).map((p) => p.dataset);
  assert.deepEqual(conditional, ["tasks", "projects"]);
  const { coreRetentionDays, mainRetentionDays, deleteAfterDays, sizeLimitKb } = defaults;
  assert.deepEqual([coreRetentionDays, mainRetentionDays, deleteAfterDays, sizeLimitKb], [
    30,
    365,
    2555,
    100,
  ]);
});

Deno.test("load_config() names an unknown key and the one that was meant", () =>
  assertProblem(
    "lifecycle_policies: { tasks: { core_retention_day: 3 } }",
    "lifecycle_policies.tasks.core_retention_day",
    /write core_retention_days$/,
  ));

Deno.test("load_config() lists what may stand where nothing like an unknown key is known", () =>
  assertProblem(
    "database_tiers: { core: { colour: red } }",
    "database_tiers.core.colour",
    /remove it \(known here: name, provider,/,
  ));

Deno.test("load_config() names an unknown tier", () =>
  assertProblem(
    "database_tiers: { archiv: { name: x } }",
    "database_tiers.archiv",
    /write archive$/,
  ));

Deno.test("load_config() says what to write instead of a wrong type", () =>
  assertProblem(
    'lifecycle_policies: { tasks: { core_retention_days: "thirty" } }',
    "lifecycle_policies.tasks.core_retention_days",
    /is "thirty": write a whole number of days, such as 30/,
  ));

Deno.test("load_config() refuses a retention that shrinks down the chain", async () => {
  await assertProblem(
    "lifecycle_policies: { tasks: { core_retention_days: 400 } }",
    "lifecycle_policies.tasks.core_retention_days",
    /more than main_retention_days \(365\): write 365 or less/,
  );
  await assertProblem(
    "lifecycle_policies: { tasks: { main_retention_days: never } }",
    "lifecycle_policies.tasks.main_retention_days",
    /is never, more than delete_after_days \(2555\)/,
  );
  await assertProblem(
    "lifecycle_policies: { mine: { delete_after_days: 100 } }", // 365 from the default
    "lifecycle_policies.mine.delete_after_days",
    /less than main_retention_days \(365\): write 365 or more/,
  );
});

Deno.test("load_config() takes -1 and never for no end, and the older name for the last age", async () => {
  const { policies } = await config(
    "lifecycle_policies: { a: { archive_after_days: -1 }, b: { archive_after_days: 900 }, " +
      "c: { delete_after_days: never } }",
  );
  const ages = new Map(policies.map((policy) => [policy.dataset, policy.deleteAfterDays]));
  assert.deepEqual(["a", "b", "c"].map((name) => ages.get(name)), [-1, 900, -1]);
});

Deno.test("load_config() refuses both names of the last age, and both triggers", async () => {
  await assertProblem(
    "lifecycle_policies: { x: { archive_after_days: 900, delete_after_days: 900 } }",
    "lifecycle_policies.x.archive_after_days",
    /write only delete_after_days/,
  );
  await assertProblem(
    "lifecycle_policies: { x: { trigger: completed, due_when: done } }",
    "lifecycle_policies.x.trigger",
    /write only one/,
  );
});

Deno.test("load_config() names a missing variable and where it belongs", async () => {
  const { STRATA_MAIN_DB_URL: _, ...environment } = ENVIRONMENT;
  assert.deepEqual(await problems("", environment), [
    "database_tiers.main.db_url_env names STRATA_MAIN_DB_URL, which is not set: write " +
    "STRATA_MAIN_DB_URL=postgresql://user:password@host:5432/postgres into .env, or start the " +
    "local stack with `deno task up`",
  ]);
});

Deno.test("load_config() never shows an address or what stands in its variable's place", async () => {
  const found = await problems(
    'database_tiers: { core: { db_url_env: "postgres://u:hidden@h/d" } }',
    { ...ENVIRONMENT, STRATA_MAIN_DB_URL: "hidden, and no address" },
  );
  assert.equal(found.length, 2);
  assert.ok(!found.join().includes("hidden"), found.join());
});

Deno.test("load_config() refuses the transaction pooler, and one database as two tiers", async () => {
  const pooled = "postgresql://postgres.ref:hidden@pooler.example:6543/postgres";
  const environment = { ...ENVIRONMENT, STRATA_CORE_DB_URL: pooled };
  assert.match((await problems("", environment)).join(), /port 6543 .* write port 5432/);
  const twice = { ...ENVIRONMENT, STRATA_MAIN_DB_URL: ENVIRONMENT.STRATA_CORE_DB_URL };
  assert.match((await problems("", twice)).join(), /same database as database_tiers\.core/);
});

Deno.test("load_config() names a key that is written twice, and a tier", async () => {
  const found = await problems(
    "database_tiers:\n  core: { pool_size: 9 }\n  core: { pool_size: 8 }\n" +
      "lifecycle_policies:\n  tasks: { core_retention_days: 1, core_retention_days: 2 }\n",
  );
  assert.equal(found.length, 2);
  assert.match(found[0] ?? "", /strata\.local\.yaml:3:3 names this key a second time/);
  assert.match(found[1] ?? "", /strata\.local\.yaml:5:36 names this key a second time/);
});

Deno.test("load_config() reports everything that is wrong at once", async () => {
  const found = await problems(
    [
      "database_tiers: { mian: {}, main: { capacity_mb: much, link: { driver: shove } } }",
      "lifecycle_policies:",
      "  tasks: { core_retention_days: 400, colour: red, archive_after_days: 9, delete_after_days: 9 }",
      "  notes: { trigger: finished }",
    ].join("\n"),
    {
      ...ENVIRONMENT,
      STRATA_ARCHIVE_KEY: "",
      STRATA_CORE_MOVER_PASSWORD: "twenty-three-characters",
    },
  );
  const paths = found.map((problem) => problem.split(" ")[0]).sort();
  assert.deepEqual(paths, [
    "STRATA_CORE_MOVER_PASSWORD",
    "database_tiers.archive.key_env",
    "database_tiers.main.capacity_mb",
    "database_tiers.main.link.driver",
    "database_tiers.mian",
    "lifecycle_policies.notes.trigger",
    "lifecycle_policies.tasks.archive_after_days",
    "lifecycle_policies.tasks.colour",
    "lifecycle_policies.tasks.core_retention_days",
    "lifecycle_policies.tasks.main_retention_days",
  ]);
});

Deno.test("load_config() makes a chain of two tiers when one is taken out with null", async () => {
  const { tiers, links } = await config("database_tiers: { main: null }");
  assert.deepEqual(tiers.map(({ key }) => key), ["core", "archive"]);
  assert.deepEqual(links.map(({ from, to, driver }) => [from, to, driver]), [
    ["core", "archive", "pull"],
  ]);
});

Deno.test("load_config() takes a password of the owner's own for the link on which a tier is dialled", async () => {
  const own = "a-password-of-24-letters";
  const environment = { ...ENVIRONMENT, STRATA_MAIN_MOVER_PASSWORD: own };
  const pulled = await config("", environment);
  assert.deepEqual(pulled.links.map(({ password }) => password), [undefined, own]);
  const both = "database_tiers: { core: { link: { driver: push } } }"; // core and archive dial main
  const [problem] = await problems(both, environment);
  assert.match(problem ?? "", /^STRATA_MAIN_MOVER_PASSWORD would open two links/);
});

Deno.test("load_config() notes that the one password of all links is not used any more", async () => {
  assert.deepEqual((await config()).notes, []);
  const { notes } = await config("", { ...ENVIRONMENT, STRATA_MOVER_PASSWORD: "old" });
  assert.match(notes.join(), /STRATA_MOVER_PASSWORD is not used any more/);
});

const CORE_LINK = (link: string) => `database_tiers: { core: { link: { driver: pull, ${link} } } }`;

Deno.test("load_config() takes less than verify-full for a reason only", async () => {
  const path = "database_tiers.core.link.sslmode";
  for (const mode of ["disable", "allow", "prefer", "require", "verify-ca"]) {
    const yaml = CORE_LINK(`sslmode: ${mode}`);
    await assertProblem(
      yaml,
      path,
      /leaves open who answers at core\.example: remove it .* write insecure_because: "a reason" beside/,
    );
  }
  await assertProblem(
    CORE_LINK("insecure_because: WireGuard"),
    "database_tiers.core.link.insecure_because",
    /is the reason for an sslmode that is not given/,
  );
  const [blank] = await problems(CORE_LINK('sslmode: require, insecure_because: " "'));
  assert.match(blank ?? "", /link\.insecure_because is " ": write a reason, such as/);
  const decided = await config(CORE_LINK("sslmode: require, insecure_because: WireGuard"));
  assert.equal(decided.links[0]?.insecureBecause, "WireGuard");
  const near = await config(CORE_LINK("sslmode: disable, dial_host: 127.0.0.1"));
  assert.deepEqual([near.links[0]?.sslmode, near.links[0]?.ca], ["disable", undefined]);
  const checked = await config(CORE_LINK("ca: /etc/strata/ca.crt"));
  assert.deepEqual(
    [checked.links[0]?.sslmode, checked.links[0]?.ca],
    [undefined, "/etc/strata/ca.crt"],
  );
});

Deno.test("load_config() holds to the same for this machine's own lines, and for keys", async () => {
  const weak = {
    ...ENVIRONMENT,
    STRATA_MAIN_DB_URL: `${ENVIRONMENT.STRATA_MAIN_DB_URL}?sslmode=require`,
  };
  const [said] = await problems("", weak);
  assert.match(
    said ?? "",
    /^database_tiers\.main\.db_url_env names STRATA_MAIN_DB_URL, whose sslmode=require/,
  );
  assert.ok(!said?.includes("hidden"));
  assert.deepEqual(
    await problems("database_tiers: { main: { insecure_because: a VPN } }", weak),
    [],
  );
  const [clear] = await problems("", { ...ENVIRONMENT, STRATA_MAIN_URL: "http://main.example" });
  assert.match(
    clear ?? "",
    /^database_tiers\.main\.url_env names STRATA_MAIN_URL, which would send the key/,
  );
  assert.deepEqual(
    await problems("", { ...ENVIRONMENT, STRATA_MAIN_URL: "http://main.lan:8000" }),
    [],
  );
  await assertProblem(
    "database_tiers: { main: { ca: nowhere.crt } }",
    "database_tiers.main.ca",
    /is .*nowhere\.crt, where there is no certificate on this machine/,
  );
});

Deno.test("load_config() brings the roots of Supabase for hosted tiers", async () => {
  const { tiers } = await config();
  assert.match(tiers[0]?.trust.ca ?? "", /^-----BEGIN CERTIFICATE-----/);
  assert.equal(tiers[1]?.trust.ca, undefined);
  const { tiers: [core] } = await config("database_tiers: { core: { ca: system } }");
  assert.equal(core?.trust.ca, undefined);
});
