import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { loadConfig } from "../../cli/config/load.ts";
import { carryOut, deploySteps, type Given, type Step } from "../../cli/deploy/steps.ts";
import { exposedSchemas } from "../../cli/deploy/exposed.ts";
import { Failure } from "../../cli/lib/errors.ts";
import { wakeSecret } from "../../cli/tiers/wakes.ts";
import { REPOSITORY } from "../../local/settings.ts";
import { testDatabase } from "../support/database.ts";
import { managementApi, PROJECT } from "../support/management_api.ts";

function environment(more: Record<string, string> = {}): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [at, tier] of ["CORE", "MAIN", "ARCHIVE"].entries()) {
    found[`STRATA_${tier}_DB_URL`] = `postgresql://postgres:swordfish@127.0.0.1:${at + 1}/postgres`;
    found[`STRATA_${tier}_URL`] = "https://main.example.org";
    found[`STRATA_${tier}_KEY`] = "sb_secret_swordfish";
  }
  return { ...found, STRATA_CORE_URL: `https://${PROJECT}.supabase.co`, ...more };
}

const config = (more?: Record<string, string>) => {
  return loadConfig(`${REPOSITORY}/strata.yaml`, environment(more));
};

/** The first step whose command contains a word. */
async function step(word: string, given: Given): Promise<Step> {
  const found = deploySteps(await config(), given).find(({ command }) => command.includes(word));
  if (found === undefined) throw new Error(`no step with ${word}`);
  return found;
}

/** What supabase/config.toml says. */
const EXPOSED = ["public", "graphql_public", "strata"];

Deno.test("deploying is what a person would type, and shows no password", async () => {
  const steps = deploySteps(await config(), { secretsFile: "/somewhere/.env" });
  assertEquals(steps.map(({ command }) => command), [
    'supabase db push --remote="$STRATA_CORE_DB_URL" --include-all --yes',
    `supabase config push --remote=${PROJECT} --yes` +
    "  # with the schemas in [api] of supabase/config.toml that are exposed now, and strata",
    `supabase secrets set --env-file supabase/functions/.env --remote=${PROJECT} --yes`,
    `psql "$STRATA_CORE_DB_URL" -Atc "select 'STRATA_WAKE_SECRET=' || strata.secret('wake_secret')" > wake.env && ` +
    `supabase secrets set --env-file wake.env --remote=${PROJECT} --yes`,
    `supabase functions deploy --use-api --remote=${PROJECT} --yes`,
    'supabase db push --remote="$STRATA_MAIN_DB_URL" --include-all --yes',
    'supabase db push --remote="$STRATA_ARCHIVE_DB_URL" --include-all --yes',
  ]);
});

Deno.test("what is typed by hand checks whose certificate is shown, too", async () => {
  const pooler = "postgresql://postgres.x:swordfish@pooler.example.org:5432/postgres";
  const [push] = deploySteps(await config({ STRATA_CORE_DB_URL: pooler }));
  assertEquals(
    push?.command,
    "PGSSLMODE=verify-full PGSSLROOTCERT=cli/certificates/supabase.crt " +
      'supabase db push --remote="$STRATA_CORE_DB_URL" --include-all --yes',
  );
});

Deno.test("a hosted project without its address is refused before anything is done", async () => {
  const wrong = await config({ STRATA_CORE_URL: "https://example.org" });
  const failure = await assertRejects(
    () => Promise.resolve().then(() => deploySteps(wrong)),
    Failure,
  );
  assertEquals(failure.exitCode, 2);
});

Deno.test("secrets and functions arrive; a step that fails says what the CLI said", async () => {
  const directory = await Deno.makeTempDir();
  await using api = managementApi();
  try {
    const secretsFile = `${directory}/.env`;
    await Deno.writeTextFile(secretsFile, "TELEGRAM_CHAT_ID=1\nSTRATA_MAIN_URL=https://x\n");
    const given = { secretsFile, env: await api.environment(directory) };
    await carryOut(await step("secrets set", given));
    assertEquals([...api.secrets.keys()], ["TELEGRAM_CHAT_ID", "STRATA_MAIN_URL"]);
    await carryOut(await step("functions deploy", given));
    assertStringIncludes(api.uploads.map(({ slug }) => slug).join(" "), "health");

    const push = await step("db push", given);
    const failure = await assertRejects(() => carryOut(push), Failure);
    assertStringIncludes(failure.message, "Pushing the migrations to core failed");
    assertEquals(failure.message.includes("swordfish"), false);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("the functions are told what the database wakes them with, which setup finds again", async () => {
  const directory = await Deno.makeTempDir();
  await using api = managementApi();
  await using db = await testDatabase();
  try {
    const steps = deploySteps(await config({ STRATA_CORE_DB_URL: db.url }), {
      env: await api.environment(directory),
    });
    const told = steps.find(({ says }) => says.includes("what wakes"));
    if (told === undefined) throw new Error("no such step");
    const said = await carryOut(told);
    assertEquals([...api.secrets.keys()], ["STRATA_WAKE_SECRET"]);
    const made = await wakeSecret(db.sql);
    assertEquals(api.secrets.get("STRATA_WAKE_SECRET"), made);
    assertEquals(said.includes(made ?? ""), false);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("schema strata is exposed, nothing else of the project is changed, and not a second time", async () => {
  const directory = await Deno.makeTempDir();
  await using api = managementApi();
  try {
    const push = await step("config push", {
      env: await api.environment(directory),
      exposed: () => Promise.resolve([...api.exposed]),
    });
    await carryOut(push);
    const settings = await Deno.readTextFile(`${REPOSITORY}/supabase/config.toml`);
    assertStringIncludes(settings, `schemas = ${JSON.stringify(EXPOSED).replaceAll(",", ", ")}`);
    assertEquals(api.exposed, EXPOSED);
    const change = { db_schema: EXPOSED.join(",") };
    assertEquals(api.changes, [[`PATCH /v1/projects/${PROJECT}/postgrest`, change]]);

    await carryOut(push);
    assertEquals(api.changes.length, 1);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("the owner's own list of schemas is added to, and nothing is taken from it", async () => {
  const directory = await Deno.makeTempDir();
  await using api = managementApi();
  try {
    api.exposed.splice(0, Infinity, "public", "shop", "api");
    const push = await step("config push", {
      env: await api.environment(directory),
      exposed: () => Promise.resolve([...api.exposed]),
    });
    await carryOut(push);
    assertEquals(api.exposed, ["public", "shop", "api", "strata"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("which schemas are exposed is what the REST API itself says, in either of its wordings", async () => {
  const answers = [
    {
      code: "PGRST106",
      message: "The schema must be one of the following: public, shop",
      hint: null,
    },
    {
      code: "PGRST106",
      message: "Invalid schema: x",
      hint: "Only the following schemas are exposed: public, shop",
    },
    { message: "no" },
  ];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    return Response.json(answers.shift(), { status: 406 });
  });
  const tier = {
    key: "core" as const,
    api: { url: `http://127.0.0.1:${server.addr.port}`, key: "k" },
  };
  assertEquals(await exposedSchemas(tier), ["public", "shop"]);
  assertEquals(await exposedSchemas(tier), ["public", "shop"]);
  const failure = await assertRejects(() => exposedSchemas(tier), Failure);
  assertStringIncludes(failure.message, "might take yours away");
});

Deno.test("settings that the platform refuses end the deployment with what it said", async () => {
  const directory = await Deno.makeTempDir();
  await using api = managementApi({ refuse: 403 });
  try {
    const push = await step("config push", {
      exposed: () => Promise.resolve([...api.exposed]),
      env: await api.environment(directory),
    });
    const failure = await assertRejects(() => carryOut(push), Failure);
    assertStringIncludes(
      failure.message,
      "Exposing schema strata to the secret key of core failed",
    );
    assertStringIncludes(failure.message, "403");
    assertEquals(api.exposed, ["public", "graphql_public"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
