import { connectLocally } from "../../local/cluster.ts";
import { giveToServer } from "../../local/server_user.ts";
import type { Tier } from "../../local/settings.ts";
import { testCluster } from "./stack.ts";

/** A tablespace that is full after a few megabytes, gone at the end of the block. */
export interface SmallDisk extends AsyncDisposable {
  tablespace: string;
}

/** Whether this machine lets us mount file systems. */
export async function canMount(): Promise<boolean> {
  const directory = await Deno.makeTempDir();
  const mounted = await run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory);
  if (mounted) await run("umount", directory);
  await Deno.remove(directory);
  return mounted;
}

/** Makes a tablespace of so many megabytes on a tier's server; tables in it must be gone first. */
export async function smallDisk(tier: Tier, megabytes: number): Promise<SmallDisk> {
  const cluster = await testCluster(tier);
  const directory = `${cluster.directory}/small_disk_${crypto.randomUUID()}`;
  const tablespace = `small_${crypto.randomUUID().replaceAll("-", "")}`;
  await Deno.mkdir(directory);
  await run("mount", "-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", directory);
  await giveToServer(directory);
  const sql = connectLocally(cluster);
  await sql`create tablespace ${sql(tablespace)} location ${sql.unsafe(`'${directory}'`)}`;
  await sql`grant create on tablespace ${sql(tablespace)} to postgres`;
  return {
    tablespace,
    async [Symbol.asyncDispose]() {
      await sql`drop tablespace if exists ${sql(tablespace)}`;
      await sql`checkpoint`; // a server that dies after this makes the tablespace again otherwise, and needs its directory
      await run("umount", directory);
      await Deno.remove(directory);
      await sql.end();
    },
  };
}

/** Makes the small disks of a tier larger. A server that died on a full one cannot replay its log until somebody does. */
export async function giveRoom(tier: Tier): Promise<void> {
  const { directory } = await testCluster(tier);
  for await (const { name } of Deno.readDir(directory)) {
    if (!name.startsWith("small_disk_")) continue;
    await run("mount", "-o", "remount,size=256m", `${directory}/${name}`);
  }
}

async function run(command: string, ...args: string[]): Promise<boolean> {
  const child = new Deno.Command(command, { args, stdout: "null", stderr: "null" });
  return (await child.output().catch(() => undefined))?.success ?? false;
}
