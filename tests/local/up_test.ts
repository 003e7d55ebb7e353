import assert from "node:assert/strict";
import postgres from "postgres";
import { postmaster, serverProcesses, stop } from "../../local/cluster.ts";
import { netWorkers } from "../../local/net_worker_process.ts";
import { hasFreeMemory, makeData, removeData } from "../../local/home.ts";
import { openStack, StackError } from "../../local/settings.ts";
import { down, type RunningStack, status, up } from "../../local/stack.ts";
import { ownStack } from "../support/own_stack.ts";
import { killServer } from "../support/servers.ts";
import { waitFor } from "../support/wait_for.ts";

async function askCore({ env }: Pick<RunningStack, "env">, query: string) {
  const sql = postgres(env.STRATA_CORE_DB_URL ?? "", { max: 1 });
  return await sql.unsafe(query).finally(() => sql.end());
}

function first<T>([one]: T[]): T {
  if (one === undefined) throw new Error("there is none");
  return one;
}

Deno.test("up twice changes nothing: same servers, same passwords", async () => {
  await using stack = await ownStack();
  const before = await status(stack.where);
  const again = await up(stack.where);
  assert.deepEqual(again.started, []);
  assert.deepEqual(again.env, stack.env);
  assert.deepEqual((await status(stack.where)).tiers, before.tiers);
  const needed = Object.values(stack.servers).some(({ extensions }) => !extensions.has("pg_net"));
  assert.equal((await netWorkers(stack.clusters)).length, needed ? 1 : 0);
});

Deno.test("up takes back a server killed with -9, committed rows and all", async () => {
  await using stack = await ownStack();
  await askCore(stack, "create table kept as select 42 as answer");
  await killServer("core", stack);
  const { started } = await up(stack.where);
  assert.deepEqual(started, ["core"]);
  assert.equal((await askCore(stack, "select answer from kept"))[0]?.answer, 42);
});

Deno.test("up is not misled by a pid file that names a server of another cluster", async () => {
  await using stack = await ownStack();
  const [core, main] = stack.clusters;
  assert(core !== undefined && main !== undefined);
  await stop(stack.servers.core, core);
  const otherPid = (await postmaster(main))?.pid;
  await Deno.writeTextFile(`${core.directory}/data/postmaster.pid`, `${otherPid}\n`);
  const { started } = await up(stack.where);
  assert.deepEqual(started, ["core"]);
  assert.equal((await askCore(stack, "select 1 as one"))[0]?.one, 1);
});

Deno.test("up makes a half-made cluster anew", async () => {
  await using stack = await ownStack();
  const core = first(stack.clusters);
  await Deno.remove(`${core.directory}/complete`);
  await Deno.remove(`${core.directory}/data/PG_VERSION`);
  const { started } = await up(stack.where);
  assert.deepEqual(started, ["core"]);
  assert.equal((await askCore(stack, "select 1 as one"))[0]?.one, 1);
});

Deno.test("up gives new passwords to old clusters when the written ones are lost", async () => {
  await using stack = await ownStack();
  await Deno.remove(`${stack.stack.home}/env`);
  const { env } = await up(stack.where);
  assert.notEqual(env.STRATA_CORE_DB_URL, stack.env.STRATA_CORE_DB_URL);
  assert.equal((await askCore({ env }, "select 1 as one"))[0]?.one, 1);
});

Deno.test("up says which port is taken and how to choose others", async () => {
  await using stack = await ownStack();
  await down(stack.where);
  const port = stack.where.portBase + 2;
  using _taken = Deno.listen({ hostname: "127.0.0.1", port });
  await assert.rejects(up(stack.where), (error: unknown) => {
    assert(error instanceof StackError);
    assert.match(error.message, new RegExp(`Port ${port}.*main`));
    assert.match(error.remedy, /STRATA_PORT_BASE/);
    return true;
  });
});

Deno.test({
  name: "up keeps its data where the servers' user can reach it",
  ignore: Deno.uid() !== 0, // only root has another user run its servers
  async fn() {
    const hidden = await Deno.makeTempDir({ prefix: "strata-hidden-" }); // root's alone
    let elsewhere: string;
    {
      await using _stack = await ownStack(hidden, { inMemory: false });
      elsewhere = await Deno.realPath(`${hidden}/data`);
      assert.match(elsewhere, /^\/var\/tmp\/strata-/);
    }
    await assert.rejects(Deno.stat(elsewhere), Deno.errors.NotFound);
  },
});

Deno.test({
  name: "a stack may be kept in memory, and leaves nothing there",
  ignore: !await hasFreeMemory(),
  async fn() {
    const home = await Deno.makeTempDir();
    const stack = await openStack({ home });
    const data = await makeData(stack, true);
    assert.match(data, /^\/dev\/shm\/strata-/);
    assert.equal(await makeData(stack, false), data); // what is there is kept
    await removeData(stack);
    await assert.rejects(Deno.stat(data), Deno.errors.NotFound);
    await Deno.remove(home, { recursive: true });
  },
});

Deno.test("down leaves no process, and nothing to stop the second time", async () => {
  await using stack = await ownStack();
  assert.equal(await down(stack.where), true);
  for (const cluster of stack.clusters) assert.deepEqual(await serverProcesses(cluster), []);
  await waitFor("the net worker to go", async () => {
    return (await netWorkers(stack.clusters)).length === 0;
  });
  assert.equal(await down(stack.where), false);
});
