/** The page of the commands: what each says with `--help`. */
import type { Command } from "commander";
import { program } from "../main.ts";
import { fence } from "./markdown.ts";

/** What a help says on a terminal of 80 columns, as who pipes it sees it. */
export function helpOf(command: Command): string {
  let said = "";
  command.configureOutput({
    writeOut: (text) => said += text,
    getOutHelpWidth: () => 80,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return said.trimEnd();
}

/** The command line with every command. */
export function wholeProgram(): Promise<Command> {
  return program({ out: () => {}, err: () => {}, exit: () => {} }, true, []);
}

/** Every command, in the order of the help. */
export async function commandsPage(): Promise<string[]> {
  const whole = await wholeProgram();
  return [
    "# Commands",
    "What each command says with `--help`. `strata` stands for `deno task strata`.",
    fence("text", helpOf(whole)),
    ...whole.commands.flatMap((
      command,
    ) => [`## ${command.name()}`, fence("text", helpOf(command))]),
  ];
}
