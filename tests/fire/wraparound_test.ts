import assert from "node:assert/strict";
import { type Cluster, connectLocally, start, stop } from "../../local/cluster.ts";
import { giveToServer, runAsServer } from "../../local/server_user.ts";
import type { RunningStack } from "../../local/stack.ts";
import { idsOf, makeNotes, moveTest, rowsOf, settle } from "../support/moves.ts";
import { testStack } from "../support/stack.ts";

/** Transactions whose outcome one file of pg_xact holds. */
const TRANSACTIONS_OF_A_FILE = 1_048_576;

/** A tier's server, with how far its numbers of transactions have come. */
interface Server {
  stack: RunningStack;
  cluster: Cluster;
}

async function coreServer(): Promise<Server> {
  const stack = await testStack();
  const cluster = stack.clusters.find(({ tier }) => tier === "core");
  assert.ok(cluster);
  return { stack, cluster };
}

/** What vacuum does in time everywhere, before numbers begin anew. */
async function freezeEverything({ cluster }: Server): Promise<void> {
  const admin = connectLocally(cluster);
  const closed = await admin<{ datname: string }[]>`
    select datname from pg_database where not datallowconn`;
  await admin`update pg_database set datallowconn = true where not datallowconn`;
  for (const { datname } of await admin<{ datname: string }[]>`select datname from pg_database`) {
    const sql = connectLocally(cluster, datname);
    await sql.unsafe("vacuum freeze");
    await sql.end();
  }
  for (const { datname } of closed) {
    await admin`update pg_database set datallowconn = false where datname = ${datname}`;
  }
  await admin.end();
}

/** As if so many transactions had run since. */
async function goOnFrom(
  { stack: { servers: { core: server } }, cluster }: Server,
  number: number,
  epoch: number[] = [],
): Promise<void> {
  const data = `${cluster.directory}/data`;
  await stop(server, cluster);
  if (number % TRANSACTIONS_OF_A_FILE !== 0) {
    const name = Math.floor(number / TRANSACTIONS_OF_A_FILE).toString(16).toUpperCase();
    const file = `${data}/pg_xact/${name.padStart(4, "0")}`;
    await Deno.writeFile(file, new Uint8Array(TRANSACTIONS_OF_A_FILE / 4), { mode: 0o600 });
    await giveToServer(file);
  }
  await runAsServer(`${server.bin}/pg_resetwal`, [
    ...["-f", "-x", String(number), "-D", data],
    ...epoch.flatMap((one) => ["-e", String(one)]),
  ]);
  await start(server, cluster);
}

moveTest("rows are told apart although numbers of transactions have begun anew", async (chain) => {
  const { core, main } = chain;
  const server = await coreServer();
  await makeNotes(core, 0);
  await settle(chain);
  await core.sql.unsafe(`
    do $$ begin
      for n in 1..1000 loop -- each by a transaction of its own, as an app writes them
        insert into public.notes values (n, now() - interval '60 days' + n * interval '1 second', 'draft');
        commit;
      end loop;
    end $$`);
  const [versions] = await core.sql<{ first: number; epoch: number }[]>`
    select min(xmin::text::bigint)::float8 as first, (txid_current() >> 32)::integer as epoch from public.notes`;
  assert.ok(versions);
  for (const turn of [1400, 2800]) {
    await freezeEverything(server);
    await goOnFrom(server, turn * TRANSACTIONS_OF_A_FILE);
  }
  await freezeEverything(server);
  await goOnFrom(server, versions.first + 200, [versions.epoch + 1]);

  const [batch] = await core.sql<
    { id: string; columns: string[]; lines: string; proof_hash: string }[]
  >`
    select move_id as id, columns, lines, encode(proof_hash, 'hex') as proof_hash from strata.claim('notes', 'main')`;
  assert.ok(batch);
  const { id, columns, lines, proof_hash } = batch;
  await main.sql`select strata.receive(${id}, 'notes', 'core', ${columns}, ${lines})`;
  const [proved] = await main.sql<{ proofs: string }[]>`
    select strata.prove(${id}, 'notes', ${columns}, null, decode(${proof_hash}, 'hex'))::text as proofs`;
  await core.sql`delete from public.notes where id = 999`;
  await core.sql.unsafe("vacuum (truncate off, index_cleanup on) public.notes");
  await core.sql`insert into public.notes values (1001, now(), 'new')`;
  const [taken] = await core.sql`
    select t.xmin = any (m.versions) and t.ctid = any (m.tids) as is_taken
      from public.notes as t, strata.manifests as m where t.id = 1001`;
  assert.ok(taken?.is_taken, "the new row has neither the place nor the version of a claimed one");
  const [purged] = await core.sql`
    select moved, cardinality(ordinals) as kept from strata.purge(${id}, ${
    proved?.proofs ?? ""
  }::text::bytea[])`;
  assert.deepEqual({ ...purged }, { moved: 999, kept: 1 });

  await settle(chain);
  assert.deepEqual((await rowsOf(core)).length, 1);
  assert.deepEqual(await idsOf(core), [1001]);
  assert.ok(!(await idsOf(main)).includes(999), "what its owner deleted is on main");
}, { drivers: ["push"] });
