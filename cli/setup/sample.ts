/** `setup --sample-data`: three years of an invented life, loaded into core. */
import type { Context } from "../lib/command.ts";
import { size } from "../lib/output.ts";
import { Progress } from "../lib/progress.ts";
import { type LoadOutcome, loadSample } from "../sample/load_sample.ts";

/** About what the sample comes to: it is told while it is loaded, so its length is not known. */
const CHARACTERS = 85_000_000;

/** Loads the sample, unless it is there already, on core or settled. */
export async function sample({ session }: Context): Promise<LoadOutcome> {
  const core = session.require("core");
  const colder = session.open.filter((open) => open !== core).map(({ sql }) => sql);
  using progress = new Progress("Loading sample data", CHARACTERS, size);
  return await loadSample(core.sql, {
    colder,
    onProgress: ({ characters }) => progress.at(characters),
  });
}
