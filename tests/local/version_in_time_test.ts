/** A version of PostgreSQL that cannot be had is told in a sentence, and nothing waits for it. */
import assert from "node:assert/strict";
import { findProcesses } from "../../local/processes.ts";

const MODULE = import.meta.resolve("../../local/version_in_time.ts");
const MIRROR = `echo "'http://mirror.invalid/debian/dists/bookworm/InRelease' a 0"`;

/** What is said where apt is this script; undefined for a machine without apt. */
async function saidWith(
  apt: string | undefined,
  bounds: Record<string, unknown> = {},
  before: (versions: string) => Promise<Disposable | undefined> = () => Promise.resolve(undefined),
) {
  const place = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "strata-versions-" });
  const programs = `${place}/programs`;
  await Deno.mkdir(programs);
  if (apt !== undefined) {
    await Deno.writeTextFile(`${programs}/apt-get`, `#!/bin/sh\n${apt}\n`, { mode: 0o755 });
  }
  const options = JSON.stringify({ bytes: 1, ...bounds, directory: `${place}/versions` });
  const program = `
    import { versionInTime } from "${MODULE}";
    const found = await versionInTime(17, ${options});
    console.log(typeof found === "string" ? found : "had from " + found.bin);
    Deno.exit();`;
  const { PG_BIN: _, ...env } = Deno.env.toObject();
  using _held = await before(`${place}/versions`);
  const path = apt === undefined ? programs : `${programs}:${env["PATH"]}`;
  try {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--ext=ts", program],
      env: { ...env, PATH: path },
      clearEnv: true,
    }).output();
    return { said: new TextDecoder().decode(stdout).trim(), place };
  } finally {
    await Deno.remove(place, { recursive: true });
  }
}

const isHere = await Deno.stat("/usr/lib/postgresql/17").then(() => true, () => false);
/** Elsewhere no apt is asked at all. */
const isDebian = await Deno.stat("/usr/share/keyrings/debian-archive-keyring.gpg")
  .then(() => true, () => false);
const options = { ignore: isHere || !isDebian };

Deno.test("a mirror that does not answer is waited for no longer than that", options, async () => {
  const apt = `case "$*" in --print-uris*) ${MIRROR} ;; *) exec sleep 4242 ;; esac`;
  const { said } = await saidWith(apt, { milliseconds: 1500 });
  assert.equal(said, "not within 1.5 s");
  const left = await findProcesses((command) => command.includes("sleep 4242"));
  assert.deepEqual(left, []);
});

Deno.test("somebody else who fetches it is waited for no longer either", options, async () => {
  const { said } = await saidWith(MIRROR, { milliseconds: 1500 }, async (versions) => {
    await Deno.mkdir(versions);
    const lock = await Deno.open(`${versions}/lock`, { create: true, write: true });
    await lock.lock(true);
    return lock;
  });
  assert.equal(said, "not within 1.5 s");
});

const CASES: [name: string, apt: string | undefined, says: RegExp, bounds?: object][] = [
  [
    "no network",
    `case "$*" in --print-uris*) ${MIRROR} ;; *) echo 'E: no network' >&2; exit 100 ;; esac`,
    /^PostgreSQL 17 cannot be fetched: apt-get failed: E: no network$/,
  ],
  ["no mirror of Debian", "true", /do not come from a mirror of Debian/],
  ["no apt", undefined, /do not come from a mirror of Debian/],
  ["no room", MIRROR, /^there is no room for it in \/var\/tmp\//, { bytes: 2 ** 60 }],
  [
    "packages that are none",
    `case "$*" in --print-uris*) ${MIRROR} ;; *) true ;; esac`,
    /^PostgreSQL 17 cannot be fetched: /,
  ],
];
for (const [name, apt, says, bounds] of CASES) {
  Deno.test(`a version that cannot be had is told: ${name}`, options, async () => {
    assert.match((await saidWith(apt, { ...bounds })).said, says);
  });
}
