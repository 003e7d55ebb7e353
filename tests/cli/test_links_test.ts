import assert from "node:assert/strict";
import { serveProject } from "../../local/projects.ts";
import { type CommandLine, commandLine, type Ran } from "./support.ts";
import { testProject } from "../support/project.ts";

interface Step {
  tier: string;
  step: string;
  ok: boolean | null;
  says: string;
  remedy: string | null;
}

/** Two tiers that are set up, each with its REST API and functions. */
async function served(): Promise<CommandLine> {
  const cli = await commandLine(["core", "main"]);
  const projects = (["core", "main"] as const).map((tier) => {
    const database = cli.databases.get(tier);
    assert.ok(database !== undefined);
    const project = testProject(database);
    const name = `STRATA_${tier.toUpperCase()}`;
    cli.environment[`${name}_URL`] = project.url;
    cli.environment[`${name}_KEY`] = project.secretKey;
    return project;
  });
  const { code, out, err } = await cli.strata("setup", "--init");
  assert.equal(code, 0, `${out}${err}`);
  return {
    ...cli,
    async [Symbol.asyncDispose]() {
      for (const project of projects) await project[Symbol.asyncDispose]();
      await cli[Symbol.asyncDispose]();
    },
  };
}

async function steps(cli: CommandLine, ...args: string[]): Promise<[Ran, Step[]]> {
  const ran = await cli.strata("test-links", ...args, "--json");
  return [ran, JSON.parse(ran.out).steps];
}

/** Asserts that a tier's steps end with one that fails, as said, and where the others end. */
async function assertFails(
  cli: CommandLine,
  tier: string,
  step: string,
  says: RegExp,
  remedy: RegExp,
): Promise<void> {
  const [{ code, out }, all] = await steps(cli, tier);
  assert.equal(code, 1, out);
  const own = all.filter((one) => one.tier === tier && one.step !== "link");
  const last = own.at(-1);
  assert.deepEqual([last?.step, last?.ok], [step, false], out);
  assert.match(last?.says ?? "", says);
  assert.match(last?.remedy ?? "", remedy);
  assert.ok(own.slice(0, -1).every(({ ok }) => ok !== false));
}

Deno.test("test-links says of each tier what was tried, one line each", async () => {
  await using cli = await served();
  const { code, out, err } = await cli.strata("test-links");
  assert.equal(code, 0, `${out}${err}`);
  for (const tier of ["core", "main"]) {
    const says = [
      ["name", "127\\.0\\.0\\.1 is an address"],
      ["port", "\\d+ is open"],
      [
        "TLS",
        "TLSv1\\.3, its certificate is not checked: it is this machine",
      ],
      ["login", "postgres is let into database \\w+"],
      ["right", `postgres owns what Strata has there, which is ${tier}`],
      ["REST", `http://127\\.0\\.0\\.1:\\d+ answers as ${tier}, and takes the key`],
      ["functions", "health answers: \\w+.*"],
    ];
    for (const [step, found] of says) {
      assert.match(out, new RegExp(`^✓ +${tier} +${step} +(${found})$`, "m"));
    }
  }
  assert.match(out, /^✓ +main +link +dials core \(pull\)$/m);
  assert.match(out, /^Everything that was tried works\.$/m);
  const [, one] = await steps(cli, "core");
  assert.deepEqual(one.map(({ tier, step }) => `${tier} ${step}`), [
    "core name",
    "core port",
    "core TLS",
    "core login",
    "core right",
    "core REST",
    "core functions",
    "main link",
  ]);
});

Deno.test("test-links stops at the first step that fails, and says what to do", async () => {
  await using cli = await served();
  const address = cli.environment.STRATA_MAIN_DB_URL ?? "";
  const with_ = (change: (url: URL) => void) => {
    const url = new URL(address);
    change(url);
    cli.environment.STRATA_MAIN_DB_URL = url.href;
  };
  with_((url) => url.hostname = "nowhere.invalid");
  await assertFails(cli, "main", "name", /^there is no such host$/, /^Correct the host/);
  with_((url) => url.port = "9");
  await assertFails(cli, "main", "port", /^nothing answers there$/, /^Start that database/);
  with_((url) => url.port = new URL(cli.environment.STRATA_CORE_URL ?? "").port);
  await assertFails(cli, "main", "TLS", /is not PostgreSQL$/, /^Correct the host and the port/);
  {
    await using cut = answering("S");
    with_((url) => url.port = cut.port);
    await assertFails(cli, "main", "TLS", /^the connection was cut$/, /^Run the command again/);
  }
  {
    await using plain = answering("N");
    with_((url) => [url.port, url.search] = [plain.port, "?sslmode=require"]);
    await assertFails(cli, "main", "TLS", /^it does not encrypt$/, /^Turn ssl on there/);
  }
  with_((url) => url.searchParams.set("sslmode", "verify-full"));
  await assertFails(cli, "main", "TLS", /certificate|does not encrypt/, /strata certificates/);
  with_((url) => url.password = "wrong");
  await assertFails(cli, "main", "login", /^the password is wrong$/, /^Correct the password/);
  with_((url) => url.pathname = "/nowhere");
  await assertFails(cli, "main", "login", /^there is no such database$/, /^Correct the database/);
  cli.environment.STRATA_MAIN_DB_URL = cli.environment.STRATA_CORE_DB_URL ?? "";
  cli.environment.STRATA_CORE_DB_URL = address; // crossed
  await assertFails(
    cli,
    "main",
    "right",
    /^that database is core, not main$/,
    /^Correct STRATA_MAIN_DB_URL in \.env\.$/,
  );
});

Deno.test("test-links tells a login that may too little", async () => {
  await using cli = await served();
  const database = cli.databases.get("main");
  const role = `clerk_${crypto.randomUUID().slice(0, 8)}`;
  await cli.sql("main").unsafe(`create role ${role} login password 'a-clerk'`);
  try {
    const url = new URL(database?.url ?? "");
    [url.username, url.password] = [role, "a-clerk"];
    cli.environment.STRATA_MAIN_DB_URL = url.href;
    await assertFails(
      cli,
      "main",
      "right",
      /may not do what postgres may, who owns what Strata has there$/,
      /^Write postgres and its password into STRATA_MAIN_DB_URL\.$/,
    );
    await cli.sql("main")`drop schema strata cascade`;
    await assertFails(
      cli,
      "main",
      "right",
      /may not make schemas and roles/,
      /^Write the database's/,
    );
  } finally {
    await cli.sql("main").unsafe(`drop role ${role}`);
  }
});

Deno.test("test-links tries the REST API: who answers there, and whether it takes the key", async () => {
  await using cli = await served();
  const { STRATA_CORE_URL: url = "", STRATA_CORE_KEY: key = "" } = cli.environment;
  cli.environment.STRATA_CORE_KEY = "sb_secret_wrong";
  await assertFails(cli, "core", "REST", /^it refuses the key$/, /^Correct core's key in \.env/);
  Object.assign(cli.environment, {
    STRATA_CORE_URL: cli.environment.STRATA_MAIN_URL,
    STRATA_CORE_KEY: cli.environment.STRATA_MAIN_KEY,
  });
  await assertFails(
    cli,
    "core",
    "REST",
    /^that is the REST API of main, not of core$/,
    /REST address/,
  );
  Object.assign(cli.environment, { STRATA_CORE_URL: "http://127.0.0.1:9", STRATA_CORE_KEY: key });
  await assertFails(
    cli,
    "core",
    "REST",
    /^http:\/\/127\.0\.0\.1:9: nothing answers/,
    /deno task up/,
  );
  cli.environment.STRATA_CORE_URL = "https://nowhere.invalid";
  await assertFails(cli, "core", "REST", /there is no such host$/, /REST address in \.env/);
  cli.environment.STRATA_CORE_URL = url.replace("http:", "https:");
  await assertFails(cli, "core", "REST", /does not answer as https:\/\/ must/, /^Correct its REST/);
  await using elsewhere = redirecting(url);
  cli.environment.STRATA_CORE_URL = elsewhere.url;
  await assertFails(cli, "core", "REST", /answers with a redirect \(302\)/, /^Write the address/);
});

Deno.test("test-links needs functions only where a relay carries the rows", async () => {
  await using cli = await served();
  await using bare = withoutFunctions(cli);
  cli.environment.STRATA_CORE_URL = bare.url;
  const [{ code, out }, all] = await steps(cli, "core");
  assert.equal(code, 0, out);
  assert.deepEqual(all.filter(({ ok }) => ok === null).map(({ step }) => step), ["functions"]);
  await cli.configure("", { core: "{ pool_size: 30, link: { driver: relay } }" });
  await assertFails(cli, "core", "functions", /relay is not there/, /deno task deploy/);
});

Deno.test("test-links works before anything is set up, and without a REST address", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.sql("core")`drop schema strata cascade`;
  await cli.configure("", {
    core: "{ url_env: null, key_env: null }",
    main: "{ url_env: null, key_env: null }",
  });
  const { code, out } = await cli.strata("test-links");
  assert.equal(code, 0, out);
  assert.match(out, /^✓ +core +right +postgres may set Strata up, which is not there yet$/m);
  assert.match(out, /^✓ +main +right +postgres owns Strata there, which has not been told yet/m);
  assert.match(out, /^- +core +REST +it has no url_env and key_env$/m);
  assert.equal((await cli.strata("test-links", "archive")).code, 2);
});

Deno.test("test-links has each link dialled by the database that has to dial it", async () => {
  await using cli = await served();
  await cli.sql("core")`revoke usage on schema strata from strata_mover`;
  const [{ code, out }, all] = await steps(cli);
  assert.equal(code, 1, out);
  const [link] = all.filter(({ step }) => step === "link");
  assert.deepEqual([link?.tier, link?.ok], ["main", false]);
  assert.match(link?.says ?? "", /^cannot dial core \(pull\): .*\[\w{5}\]$/);
});

/** A server that gives one letter for an answer, and closes the line. */
function answering(letter: string): AsyncDisposable & { port: string } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    for await (const line of listener) {
      if (await line.read(new Uint8Array(8)) !== null) {
        await line.write(new TextEncoder().encode(letter));
      }
      line.close();
    }
  })();
  return {
    port: String(listener.addr.port),
    async [Symbol.asyncDispose]() {
      listener.close();
      await served;
    },
  };
}

function redirecting(url: string): AsyncDisposable & { url: string } {
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => Response.redirect(url, 302),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Core's project with its REST API and nothing else. */
function withoutFunctions(cli: CommandLine): AsyncDisposable & { url: string } {
  const databaseUrl = cli.databases.get("core")?.url ?? "";
  const secretKey = cli.environment.STRATA_CORE_KEY ?? "";
  const publishableKey = "sb_publishable_of_a_test";
  const project = serveProject({ databaseUrl, secretKey, publishableKey, variables: {} }, 0);
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname.startsWith("/functions/")) return new Response("{}", { status: 404 });
    return fetch(`${project.url}${pathname}${search}`, request);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await project[Symbol.asyncDispose]();
    },
  };
}
