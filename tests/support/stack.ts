import type { Sql } from "postgres";
import { scramVerifier } from "../../cli/lib/scram.ts";
import type { Cluster } from "../../local/cluster.ts";
import { type StackOptions, type Tier, TIERS } from "../../local/settings.ts";
import { type RunningStack, up, type UpOptions } from "../../local/stack.ts";

/** Where a stack lies. */
export type Place = Required<Pick<StackOptions, "home" | "portBase">>;

/** The tests' own stack, beside the one people work with. The environment may move it. */
export const TEST_STACK: Place = {
  home: Deno.env.get("STRATA_TEST_HOME") ?? ".strata/test",
  portBase: Number(Deno.env.get("STRATA_TEST_PORT_BASE") ?? 55_530),
};

let running: Promise<RunningStack> | undefined;

/** The tests' stack, brought up by whoever needs it first: made on the disk, unless it is told otherwise. */
export function testStack(options: UpOptions = {}): Promise<RunningStack> {
  return running ??= up({ ...TEST_STACK, disposable: true, ...options });
}

/** The server of one tier of the tests' stack. */
export async function testCluster(tier: Tier): Promise<Cluster> {
  const { clusters } = await testStack();
  const cluster = clusters.find((one) => one.tier === tier);
  if (cluster === undefined) throw new Error(`the tests' stack has no ${tier} tier`);
  return cluster;
}

/** The password of every login of every link of the tests' stack, which tests share. */
export async function moverPassword(): Promise<string> {
  return passwordOfLinks(await testStack());
}

/** A password for the links of a stack that lasts as long as the stack. */
export function passwordOfLinks({ env }: RunningStack): string {
  return `${new URL(env["STRATA_CORE_DB_URL"] ?? "").password}-of-the-links`;
}

/** Lets every neighbour dial a tier with this password. */
export async function openLogins(sql: Sql, tier: Tier, password: string, limit: number) {
  const verifier = await scramVerifier(password);
  for (const neighbour of TIERS.filter((other) => other !== tier)) {
    await sql`select strata.set_mover_login(${neighbour}, ${verifier}, ${limit})`;
  }
}
