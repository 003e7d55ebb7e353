import assert from "node:assert/strict";
import { supabaseHosted } from "../../cli/lib/supabase.ts";

/** As npx behaves when its cache is empty: it unpacks in place, and two at once meet there. */
const NPX = `#!/bin/sh
cd "$(dirname "$0")"
if [ ! -e unpacked ]; then
  mkdir unpacking || { echo "npm error code ENOTEMPTY" >&2; exit 217; }
  sleep 0.3
  rmdir unpacking
  touch unpacked
fi
echo "$@"
`;

Deno.test("three tiers that are pushed at once have the Supabase CLI fetched once", async () => {
  const directory = await Deno.makeTempDir({ prefix: "strata-npx-" });
  try {
    await Deno.writeTextFile(`${directory}/npx`, NPX, { mode: 0o755 });
    const env = { PATH: `${directory}:${Deno.env.get("PATH")}` };
    const said = await Promise.all(
      ["one", "two", "three"].map((name) => supabaseHosted(`projects ${name}`, [], env)),
    );
    said.forEach((text, at) => assert.match(text, new RegExp(["one", "two", "three"][at] ?? "")));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
