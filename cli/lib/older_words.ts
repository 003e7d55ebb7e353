/** Command lines in the words of an earlier design, for crontabs and habits that have them: as today's. */

/** Its programs, with or without `.py`, and what does the same today. */
const PROGRAMS: Readonly<Record<string, string>> = {
  multi_tier_setup: "setup",
  data_monitor: "monitor",
  data_sync_manager: "sync",
  data_lifecycle_manager: "lifecycle",
  home_server_archiver: "archiver",
  daily_voice_lambda: "voice",
  elevenlabs_tts: "voice",
};

const VIEWS = ["--sizes", "--sync", "--lifecycle"];

/** Of each command that said things otherwise, its arguments as today's. */
const COMMANDS: Readonly<Record<string, (words: string[]) => string[]>> = {
  archiver: (words) =>
    words.includes("--test")
      ? ["test-links", "archive", ...without(words, "--test")]
      : words.includes("--cleanup")
      ? ["process", ...without(words, "--cleanup")]
      : ["sync", ...words],
  lifecycle: (words) =>
    words.includes("--process")
      ? ["process", ...without(words, "--process")]
      : ["monitor", "lifecycle", ...words],
  monitor: (words) =>
    words.includes("--report")
      ? ["report", ...without(words, "--report")]
      : words.includes("--alert")
      ? ["alerts", "--send", ...without(words, "--alert")]
      : ["monitor", ...words.map((word) => VIEWS.includes(word) ? word.slice(2) : word)],
  voice: (words) => ["voice", ...words.map((word) => word === "send_daily" ? "send" : word)],
};

/** The same command line as it is written today; one that is already is left alone. */
export function inTodaysWords(args: readonly string[]): string[] {
  const [name, ...words] = args;
  if (name === undefined) return [];
  const program = name.replace(/\.py$/, "");
  const command = Object.hasOwn(PROGRAMS, program) ? PROGRAMS[program] ?? name : name;
  const today = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  return today === undefined ? [command, ...words] : today(words);
}

const without = (words: string[], word: string) => words.filter((one) => one !== word);
