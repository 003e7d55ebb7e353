import type { Command } from "commander";
import { command, type CommonOptions, type Io } from "../lib/command.ts";
import { confirmed } from "../lib/confirm.ts";
import { Failure } from "../lib/errors.ts";
import { json, some } from "../lib/output.ts";
import { functionsIn } from "../project/config_toml.ts";
import { additions, functionsHere, refuseOwnFunctions, removals } from "../project/guest.ts";
import { carryOut, type Change, type Project, readProject } from "../project/project.ts";

interface Flags extends CommonOptions {
  functions?: string;
  personal?: true;
  leaveRows?: true;
  yes?: true;
  dryRun?: true;
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

/** `remove <folder>`: takes Strata out of an application's project. */
export function remove(io: Io): Command {
  return command("remove", "take Strata out of your application's project; tables and rows stay", [
    "remove ../shop                  # shows what it will do, and asks",
    "remove ../shop --leave-rows     # what has settled stays on the colder tiers",
  ])
    .argument("<folder>", "the folder of your application, with supabase/config.toml in it")
    .option("--leave-rows", "also when rows have settled on colder tiers: they stay there")
    .option("--dry-run", "show what would be done, and do nothing")
    .option("--yes", "do not ask")
    .action(async (folder: string, flags: Flags) => {
      const project = await readProject(folder);
      const changes = await removals(project, flags.leaveRows === true);
      await go(io, flags, project, changes, {
        nothing: "There is nothing of Strata in the project.",
        done: "Strata is out of the project. `supabase db push` takes it out of the database.",
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
