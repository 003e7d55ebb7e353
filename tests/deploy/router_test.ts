import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { letPast } from "../../cli/deploy/router.ts";

/** As much of a self-hosted router as decides who may call: with the condition that Supabase's has. */
const ROUTER = `const VERIFY_JWT = true;
export default (req: Request): number => {
  if (req.method !== 'OPTIONS' && VERIFY_JWT) {
    return 401;
  }
  return 200;
}
`;
const OURS = ["strata-deploy-notice", "strata-health"];

async function volume(router: string, env: string) {
  const home = await Deno.makeTempDir({ prefix: "strata-router-" });
  const path = `${home}/volumes/functions`;
  for (const name of ["main", "mine", "_strata", ...OURS]) {
    await Deno.mkdir(`${path}/${name}`, { recursive: true });
  }
  await Deno.writeTextFile(`${path}/main/index.ts`, router);
  await Deno.writeTextFile(`${home}/.env`, env);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(home, { recursive: true }) };
}

Deno.test("past a self-hosted router's check go Strata's functions, and no other", async () => {
  await using there = await volume(ROUTER, "FUNCTIONS_VERIFY_JWT=true\n");
  const file = `${there.path}/main/index.ts`;
  assertEquals(await letPast(there.path, OURS), []);
  const { default: handle } = await import(`file://${file}`);
  const status = (path: string) => handle(new Request(`http://functions.test${path}`));
  for (
    const path of [
      "/strata-health",
      "/strata-health/",
      "/strata-health/x",
      "/strata-deploy-notice?dry_run=1",
    ]
  ) {
    assertEquals([path, status(path)], [path, 200]);
  }
  const others = [
    "/mine",
    "/",
    "//strata-health",
    "/strata-health2",
    "/mine/strata-health",
    "/mine?/strata-health",
  ];
  for (
    const path of [
      ...others,
      "/strata-health/../mine",
      "/strata-health/%2e%2e/mine",
      "/STRATA-HEALTH",
    ]
  ) {
    assertEquals([path, status(path)], [path, 401]);
  }

  const once = await Deno.readTextFile(file);
  await letPast(there.path, OURS);
  assertEquals(await Deno.readTextFile(file), once);
  await letPast(there.path, [...OURS, "strata-notify"]);
  assertStringIncludes(
    await Deno.readTextFile(file),
    "(strata-deploy-notice|strata-health|strata-notify)",
  );
});

Deno.test("a router of another kind stays as it is, and what opens the owner's functions is said", async () => {
  const other = ROUTER.replace("VERIFY_JWT) {", "CHECK_IT) {");
  await using strange = await volume(other, "");
  const [says = ""] = await letPast(strange.path, OURS);
  assert(/by hand/.test(says) && says.includes("strata-deploy-notice, strata-health"), says);
  assertEquals(await Deno.readTextFile(`${strange.path}/main/index.ts`), other);

  await using open = await volume(ROUTER, "FUNCTIONS_VERIFY_JWT=false\n");
  const [warning = ""] = await letPast(open.path, OURS);
  assert(/lets everybody call mine, unless/.test(warning), warning);
});
