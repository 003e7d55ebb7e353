import { Argument, Command } from "commander";
import type { Io } from "../lib/command.ts";

/** `completions bash|zsh|fish`: what a shell must know to complete `strata …`. */
export function completions(io: Io, program: Command): Command {
  return new Command("completions")
    .description("print what completes commands and options in your shell")
    .addArgument(new Argument("<shell>", "which shell").choices(["bash", "zsh", "fish"]))
    .addHelpText(
      "after",
      [
        "",
        "Examples, with `strata` as a name for `deno task strata`:",
        "  $ alias strata='deno task strata'",
        "  $ source <(deno task --quiet strata completions bash)",
        "  $ deno task --quiet strata completions fish > ~/.config/fish/completions/strata.fish",
      ].join("\n"),
    )
    .action((shell: string) => io.out(shell === "fish" ? fish(program) : bash(program, shell)));
}

interface Words {
  name: string;
  says: string;
  options: string[];
  choices: string[];
}

function wordsOf(program: Command): Words[] {
  return program.commands.map((command) => ({
    name: command.name(),
    says: command.description(),
    options: [...command.options.flatMap(({ long }) => long ?? []), "--help"],
    choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  }));
}

/** zsh takes bash's way of completing, once it is told to. */
function bash(program: Command, shell: string): string {
  const words = wordsOf(program);
  return [
    ...(shell === "zsh" ? ["autoload -U +X bashcompinit && bashcompinit"] : []),
    "_strata() {",
    '  local word="${COMP_WORDS[COMP_CWORD]}" words=""',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    words="${[...words.map(({ name }) => name), "--help", "--version"].join(" ")}"`,
    "  else",
    '    case "${COMP_WORDS[1]}" in',
    ...words.map(({ name, options, choices }) =>
      `      ${name}) words="${[...choices, ...options].join(" ")}" ;;`
    ),
    "    esac",
    "  fi",
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    "}",
    "complete -o default -F _strata strata",
  ].join("\n");
}

function fish(program: Command): string {
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  return wordsOf(program).flatMap(({ name, says, options, choices }) => [
    `complete -c strata -n __fish_use_subcommand -a ${name} -d ${quoted(says)}`,
    ...options.map((option) =>
      `complete -c strata -n '__fish_seen_subcommand_from ${name}' -l ${option.slice(2)}`
    ),
    ...choices.map((choice) =>
      `complete -c strata -n '__fish_seen_subcommand_from ${name}' -a ${choice}`
    ),
  ]).join("\n");
}
