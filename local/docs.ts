/**
 * `deno task docs`: writes docs/reference out of the CLI's help and of the release, which is pushed to a
 * server of its own, gone afterwards. `--check` writes nothing, and says whether the pages are current.
 */
import { REFERENCE, referencePages, stalePages } from "../cli/docs/reference.ts";
import { pushReleases } from "../cli/lib/releases.ts";
import { plainServer } from "../tests/support/plain_server.ts";

const isCheck = Deno.args.includes("--check");
const stale = await bringUpToDate();
for (const name of stale) {
  const path = `docs/reference/${name}`;
  console.log(isCheck ? `${path} is out of date: deno task docs` : `${path} is written`);
}
if (stale.length === 0) console.log("docs/reference is up to date.");
Deno.exit(isCheck && stale.length > 0 ? 1 : 0);

async function bringUpToDate(): Promise<string[]> {
  await using server = await plainServer("initdb");
  await pushReleases(server.url, { personal: true });
  const pages = await referencePages(server.sql);
  await Deno.mkdir(REFERENCE, { recursive: true });
  const stale = await stalePages(pages);
  if (isCheck) return stale;
  for (const name of stale) {
    const text = pages.get(name);
    if (text === undefined) await Deno.remove(`${REFERENCE}/${name}`);
    else await Deno.writeTextFile(`${REFERENCE}/${name}`, text);
  }
  return stale;
}
