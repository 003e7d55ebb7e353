import type { Command } from "commander";
import { command, type CommonOptions, type Io, perform } from "../lib/command.ts";
import { confirmed } from "../lib/confirm.ts";
import { Failure } from "../lib/errors.ts";
import { json, some } from "../lib/output.ts";
import { functionsIn } from "../project/config_toml.ts";
import {
  additions,
  companionRemovals,
  functionsHere,
  refuseOwnFunctions,
  removals,
} from "../project/guest.ts";
import { carryOut, type Change, type Project, readProject } from "../project/project.ts";
import { openTiers } from "../lib/session.ts";
import { removeFrom } from "../setup/remove.ts";

interface Flags extends CommonOptions {
  functions?: string;
  personal?: true;
  leaveRows?: true;
  yes?: true;
  dryRun?: true;
}

interface RemoveFlags extends Flags {
  tiers?: string;
  companion?: true;
}

/** `add <folder>`: puts Strata into an application's own project, or upgrades it there. */
export function add(io: Io): Command {
  return command("add", "put Strata into your application's project, or upgrade it there", [
    "add ../shop                     # shows what it will do, and asks",
    "add ../shop --functions strata-health,strata-notify,strata-report",
    "add ../shop --dry-run",
  ])
    .argument("<folder>", "the folder of your application, with supabase/config.toml in it")
    .option(
      "--functions <names>",
      "the edge functions you want, with commas between them; all; none (default: those that are there)",
    )
    .option("--personal", "the companion too: a personal system and a spoken briefing")
    .option("--dry-run", "show what would be done, and do nothing")
    .option("--yes", "do not ask")
    .action(async (folder: string, flags: Flags) => {
      const project = await readProject(folder);
      const functions = flags.functions === undefined
        ? functionsIn(project.config)
        : await named(flags.functions);
      refuseOwnFunctions(project, functions);
      const changes = await additions(project, { functions, personal: flags.personal === true });
      await go(io, flags, project, changes, {
        nothing: "Strata is there already, as it is here: nothing was done.",
        done: "Strata is in the project. `supabase db push` ships it, as any migration of yours; " +
          "then `deno task strata setup --init` links the tiers.",
      });
    });
}

/** `remove <folder>`: takes Strata out of an application's project; `remove --tiers`: out of databases. */
export function remove(io: Io): Command {
  return command(
    "remove",
    "take Strata out of your project, or out of tiers; tables and rows stay",
    [
      "remove ../shop                        # shows what it will do, and asks",
      "remove ../shop --leave-rows           # what has settled stays on the colder tiers",
      "remove ../shop --companion            # the companion only",
      "remove --tiers main,archive           # out of their databases, at once",
    ],
  )
    .argument("[folder]", "the folder of your application, with supabase/config.toml in it")
    .option("--tiers <names>", "out of the databases of these tiers, with commas between them; all")
    .option("--companion", "the companion only; Strata stays")
    .option("--leave-rows", "also when rows have settled on colder tiers: they stay there")
    .option("--dry-run", "show what would be done, and do nothing")
    .option("--yes", "do not ask")
    .action(async (folder: string | undefined, flags: RemoveFlags) => {
      if ((folder === undefined) === (flags.tiers === undefined)) {
        throw new Failure(
          "Name either a folder or tiers",
          "`remove <folder>` changes your project; `remove --tiers all` changes databases.",
          2,
        );
      }
      if (folder === undefined) {
        const wanted = {
          tiers: flags.tiers ?? "",
          companion: flags.companion === true,
          leaveRows: flags.leaveRows === true,
          dryRun: flags.dryRun === true,
          yes: flags.yes === true,
        };
        return await perform(io, flags, (context) => removeFrom(context, wanted), openTiers);
      }
      const project = await readProject(folder);
      const changes = flags.companion === true
        ? await companionRemovals(project)
        : await removals(project, flags.leaveRows === true);
      const what = flags.companion === true ? "the companion" : "Strata";
      await go(io, flags, project, changes, {
        nothing: `There is nothing of ${what} in the project.`,
        done: `${what.replace(/^t/, "T")} is out of the project. ` +
          "`supabase db push` takes it out of the database.",
      });
    });
}

async function named(functions: string): Promise<string[]> {
  const here = await functionsHere();
  if (functions === "all") return here;
  if (functions === "none") return [];
  const names = functions.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const unknown = names.filter((name) => !here.includes(name));
  if (unknown.length === 0) return names;
  throw new Failure(
    `There is no function ${unknown.join(", ")}`,
    `These are there: ${here.join(", ")}.`,
    2,
  );
}

interface Outcome {
  nothing: string;
  done: string;
}

async function go(
  io: Io,
  flags: Flags,
  project: Project,
  changes: Change[],
  outcome: Outcome,
): Promise<void> {
  const document = {
    project: project.path,
    changes: changes.map(({ says, path, text }) => ({ path, says, gone: text === undefined })),
  };
  const say = (text: string) => flags.json || flags.quiet || io.out(text);
  if (changes.length === 0) {
    say(outcome.nothing);
  } else {
    say(`In ${project.path}:\n${listed(changes).join("\n")}`);
    if (flags.dryRun) say("Nothing was done: --dry-run.");
    else if (confirmed(`This is written to ${project.path}.`, flags.yes === true)) {
      await carryOut(project, changes);
      say(outcome.done);
    } else throw new Failure("Nothing was done");
  }
  if (flags.json) io.out(json({ ...document, done: changes.length > 0 && !flags.dryRun }));
}

/** One line for each file that matters; a function's files are told together. */
function listed(changes: readonly Change[]): string[] {
  const functions = changes.filter(({ path }) => path.startsWith("functions/"));
  const others = changes.filter((change) => !functions.includes(change));
  const sign = ({ text }: Change) => text === undefined ? "-" : "+";
  return [
    ...others.map((change) => `  ${sign(change)} ${change.path}: ${change.says}`),
    ...["+", "-"].flatMap((one) => {
      const which = functions.filter((change) => sign(change) === one);
      const names = [...new Set(which.map(({ path }) => path.split("/")[1] ?? ""))];
      return names.length === 0 ? [] : [`  ${one} functions: ${some(names)}`];
    }),
  ];
}
