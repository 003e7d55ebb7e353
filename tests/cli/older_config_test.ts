import assert from "node:assert/strict";
import { type Config, ConfigFailure, loadConfig } from "../../cli/config/load.ts";
import { REPOSITORY } from "../../local/settings.ts";
import { commandLine } from "./support.ts";

const TIERS = `
database_tiers:
  core:
    name: "Core Database"
    provider: "Supabase Free Tier"
    url_env: "CORE_SUPABASE_URL"
    key_env: "CORE_SUPABASE_ANON_KEY"
    capacity_mb: 500

  main:
    name: "Main Database"
    provider: "Self-hosted Supabase"
    url_env: "MAIN_SUPABASE_URL"
    key_env: "MAIN_SUPABASE_ANON_KEY"
    capacity_mb: 10000

  archive:
    name: "Archive Database"
    provider: "Home Server"
    url_env: "ARCHIVE_SUPABASE_URL"
    key_env: "ARCHIVE_SUPABASE_ANON_KEY"
    capacity_mb: 50000
`;
const POLICIES = `
lifecycle_policies:
  daily_summary:
    core_retention_days: 30
    main_retention_days: 365
    archive_after_days: 1095

  shadow_work:
    core_retention_days: 90
    main_retention_days: 730
    archive_after_days: 1825
`;

const DATABASES = {
  STRATA_CORE_DB_URL: "postgresql://postgres:hidden@core.example:5432/postgres",
  STRATA_MAIN_DB_URL: "postgresql://postgres:hidden@main.example:5432/postgres",
  STRATA_ARCHIVE_DB_URL: "postgresql://postgres:hidden@archive.example:5432/postgres",
};
const OLDER_NAMES = {
  CORE_SUPABASE_URL: "https://core.example",
  CORE_SUPABASE_ANON_KEY: "sb_secret_1",
  MAIN_SUPABASE_URL: "https://main.example",
  MAIN_SUPABASE_ANON_KEY: "sb_secret_2",
  ARCHIVE_SUPABASE_URL: "https://archive.example",
  ARCHIVE_SUPABASE_ANON_KEY: "sb_secret_3",
};
const TODAYS_NAMES = {
  STRATA_CORE_URL: "https://core.example",
  STRATA_CORE_KEY: "sb_secret_1",
  STRATA_MAIN_URL: "https://main.example",
  STRATA_MAIN_KEY: "sb_secret_2",
  STRATA_ARCHIVE_URL: "https://archive.example",
  STRATA_ARCHIVE_KEY: "sb_secret_3",
};

/** Reads a configuration that lies alone, or over the shipped one. */
async function read(
  yaml: string,
  where: "alone" | "over the shipped one",
  environment: Record<string, string> = { ...DATABASES, ...OLDER_NAMES },
): Promise<Config> {
  const directory = await Deno.makeTempDir();
  try {
    const file = `${directory}/multi_tier_config.yaml`;
    if (where === "alone") await Deno.writeTextFile(file, yaml);
    else {
      await Deno.copyFile(`${REPOSITORY}/strata.yaml`, file);
      await Deno.writeTextFile(`${directory}/multi_tier_config.local.yaml`, yaml);
    }
    return await loadConfig(file, environment);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function problems(yaml: string, environment?: Record<string, string>): Promise<string[]> {
  try {
    await read(yaml, "over the shipped one", environment);
  } catch (error) {
    if (!(error instanceof ConfigFailure)) throw error;
    return error.problems.map(({ path, says }) => `${path} ${says}`);
  }
  return [];
}

for (const where of ["alone", "over the shipped one"] as const) {
  Deno.test(`an older configuration loads as it is, ${where}`, async () => {
    const { tiers, links, policies, notes } = await read(TIERS + POLICIES, where);
    assert.deepEqual(
      tiers.map((t) => [t.key, t.name, t.provider, t.capacityMb, t.warnMb, t.criticalMb]),
      [
        ["core", "Core Database", "supabase", 500, 400, 450],
        ["main", "Main Database", "self_hosted", 10_000, 8_500, 9_500],
        ["archive", "Archive Database", "postgres", 50_000, 42_500, 47_500],
      ],
    );
    assert.deepEqual(tiers.map((t) => [t.poolSize, t.dbUrlEnv, t.api?.url, t.api?.key]), [
      [10, "STRATA_CORE_DB_URL", "https://core.example", "sb_secret_1"],
      [20, "STRATA_MAIN_DB_URL", "https://main.example", "sb_secret_2"],
      [5, "STRATA_ARCHIVE_DB_URL", "https://archive.example", "sb_secret_3"],
    ]);
    assert.deepEqual(links.map((l) => [l.from, l.to, l.driver]), [
      ["core", "main", "pull"],
      ["main", "archive", "pull"],
    ]);
    const today = policies.flatMap((policy) => policy.today === undefined ? [] : [policy.today]);
    assert.deepEqual(
      today.map((p) => [
        p.table,
        p.coreRetentionDays,
        p.mainRetentionDays,
        p.deleteAfterDays,
      ]),
      [
        ["public.daily_summaries", 30, 365, 1095],
        ["public.shadow_work_current", 90, 730, 1825],
      ],
    );
    for (
      const note of [
        'database_tiers.core.provider "Supabase Free Tier" is supabase',
        'database_tiers.archive.provider "Home Server" is postgres',
        "lifecycle_policies.daily_summary is the policy of daily_summaries, unless core has a table " +
        "public.daily_summary",
        "lifecycle_policies.shadow_work.archive_after_days is delete_after_days: a row is deleted when " +
        "it is 1825 days old (never: not at all), and goes to archive at main_retention_days",
      ]
    ) assert.ok(notes.includes(note), `${note}\nis none of\n${notes.join("\n")}`);
    const defaults = notes.filter((note) => note.includes("leaves out what has a default"));
    assert.equal(defaults.length, where === "alone" ? 3 : 0, defaults.join("\n"));
  });
}

Deno.test("either half of an older configuration loads over the shipped one", async () => {
  const tiers = await read(TIERS, "over the shipped one");
  assert.equal(tiers.tiers[2]?.provider, "postgres");
  const policies = await read(POLICIES, "over the shipped one", { ...DATABASES, ...TODAYS_NAMES });
  assert.equal(
    policies.policies.find(({ dataset }) => dataset === "shadow_work")?.mainRetentionDays,
    730,
  );
});

Deno.test("an older variable is read under today's name, and today's under the older one", async () => {
  const older = await read(TIERS, "alone", { ...DATABASES, ...TODAYS_NAMES });
  assert.equal(older.tiers[0]?.api?.key, "sb_secret_1");
  const note = "database_tiers.main.url_env names MAIN_SUPABASE_URL, which is not set: " +
    "STRATA_MAIN_URL is read instead";
  assert.ok(older.notes.includes(note), older.notes.join("\n"));
  const todays = await read("", "over the shipped one", { ...DATABASES, ...OLDER_NAMES });
  assert.equal(todays.tiers[1]?.api?.key, "sb_secret_2");
  const [said] = await problems(TIERS, DATABASES);
  assert.match(said ?? "", /names CORE_SUPABASE_URL, which is not set: write CORE_SUPABASE_URL=/);
});

Deno.test("a key for the public is told from the secret one, and gives way to it", async () => {
  const claims = btoa(JSON.stringify({ role: "anon" }));
  for (const anon of ["sb_publishable_1", `eyJhbGciOiJIUzI1NiJ9.${claims}.c2ln`]) {
    const environment = { ...DATABASES, ...OLDER_NAMES, CORE_SUPABASE_ANON_KEY: anon };
    const { notes } = await read(TIERS, "alone", environment);
    assert.match(notes.join("\n"), /CORE_SUPABASE_ANON_KEY, which holds a key for the public, and/);
    assert.ok(!notes.join().includes(anon));
    const both = await read(TIERS, "alone", { ...environment, STRATA_CORE_KEY: "sb_secret_9" });
    assert.equal(both.tiers[0]?.api?.key, "sb_secret_9");
  }
});

Deno.test("the two names of the last age lie over one another; in one file they contradict", async () => {
  const { policies } = await read(
    "lifecycle_policies: { daily_summaries: { archive_after_days: 900 } }",
    "over the shipped one",
  );
  assert.equal(policies.find((p) => p.dataset === "daily_summaries")?.deleteAfterDays, 900);
  const [both] = await problems(
    "lifecycle_policies: { daily_summary: { archive_after_days: 900, delete_after_days: 900 } }",
  );
  assert.match(both ?? "", /archive_after_days is the older name of delete_after_days/);
  const { notes } = await read(
    "lifecycle_policies: { x: { archive_after_days: never } }",
    "over the shipped one",
  );
  assert.deepEqual(notes.filter((note) => note.includes("lifecycle_policies.x")), [
    "lifecycle_policies.x.archive_after_days is delete_after_days: no row of it is deleted",
  ]);
});

Deno.test("what an older name leaves out is as today's says, and must fit it", async () => {
  const { policies } = await read(
    "lifecycle_policies: { daily_summary: { core_retention_days: 60 } }",
    "over the shipped one",
  );
  const [today] = policies.flatMap((policy) => policy.today ?? []);
  assert.deepEqual([today?.coreRetentionDays, today?.deleteAfterDays], [60, 1095]);
  const [shrinking] = await problems(
    "lifecycle_policies: { daily_summary: { main_retention_days: 1100 } }",
  );
  assert.match(
    shrinking ?? "",
    /daily_summary\.main_retention_days is 1100, more than delete_after/,
  );
});

Deno.test("a provider in any spelling people use is known, and another is a problem", async () => {
  const provider = async (written: string) =>
    (await read(`database_tiers: { main: { provider: "${written}" } }`, "over the shipped one"))
      .tiers[1]?.provider;
  const spellings = {
    supabase: ["Supabase", "Supabase Pro", "Supabase free plan", "supabase"],
    self_hosted: ["Self-hosted", "self hosted Supabase", "SELF-HOSTED SUPABASE"],
    postgres: ["Home Server", "home-server", "PostgreSQL", "Postgres"],
  };
  for (const [today, written] of Object.entries(spellings)) {
    for (const one of written) assert.equal(await provider(one), today, one);
  }
  const [said] = await problems('database_tiers: { main: { provider: "Acme Cloud" } }');
  assert.match(said ?? "", /is "Acme Cloud": write supabase, self_hosted or postgres$/);
});

Deno.test("setup adopts the table that an older name means, and says so", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.configure(POLICIES);
  const { code, out, err } = await cli.strata("setup", "--init");
  assert.equal(code, 0, err);
  assert.match(out, /^17 datasets are managed\.$/m);
  assert.match(out, /^lifecycle_policies\.daily_summary is the policy of daily_summaries, unless/m);
  const ages = await cli.sql("main")`
    select name, core_retention_days, delete_after_days from strata.datasets
     where name in ('daily_summaries', 'shadow_work_current') order by name`;
  assert.deepEqual(ages.map((row) => Object.values(row)), [
    ["daily_summaries", 30, 1095],
    ["shadow_work_current", 90, 1825],
  ]);
});

Deno.test("a table that has the older name is the one that is meant", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.sql("core")`create table public.daily_summary (id int primary key, created_at date)`;
  await cli.configure("lifecycle_policies: { daily_summary: { core_retention_days: 9 } }");
  assert.equal((await cli.strata("setup", "--init")).code, 0);
  const ages = await cli.sql("core")`
    select name, core_retention_days as days from strata.datasets
     where name like 'daily_summar%' order by name`;
  assert.deepEqual(ages.map((row) => Object.values(row)), [
    ["daily_summaries", 30],
    ["daily_summary", 9],
  ]);
});
