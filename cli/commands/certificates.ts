import type { Command } from "commander";
import { join, resolve } from "@std/path";
import {
  command,
  type CommonOptions,
  type Io,
  perform,
  type Report,
  ROOT,
} from "../lib/command.ts";
import { Session } from "../lib/session.ts";
import { type Certificates, certificates as make } from "../setup/certificates.ts";

interface Options extends CommonOptions {
  out?: string;
}

/** `certificates`: what the tiers of one's own need so that those who dial them know them. */
export function certificates(io: Io): Command {
  return command(
    "certificates",
    "make a CA and certificates for tiers of your own, and say how to use them",
    [
      "certificates                  # into .strata/certificates; run again it changes nothing",
      "certificates --out ~/strata-ca",
    ],
  )
    .option("--out <dir>", "where they go (default: .strata/certificates)")
    .action((options: Options) =>
      perform(
        io,
        options,
        async ({ config }) => report(await make(config, directoryOf(options.out))),
        () => Promise.resolve(new Session([], [])), // nobody is dialled
      )
    );
}

function directoryOf(out: string | undefined): string {
  if (out === undefined) return join(ROOT, ".strata", "certificates");
  return resolve(Deno.env.get("INIT_CWD") ?? ".", out);
}

function report(outcome: Certificates): Report {
  const { directory, made, kept, steps } = outcome;
  const files = [
    ...(made.length === 0 ? [] : [`Made in ${directory}: ${made.join(", ")}.`]),
    ...(kept.length === 0 ? [] : [`There already, and left as they are: ${kept.join(", ")}.`]),
  ];
  const todo = steps.flatMap((
    { where, lines },
  ) => ["", `${where}:`, ...lines.map((line) => `  ${line}`)]);
  return {
    document: { ...outcome },
    text: files.length === 0 ? "Nothing to make: every tier is on this machine." : [
      ...files,
      ...(made.includes("ca.key")
        ? ["Keep ca.key here and away from the tiers: whoever has it can pose as any of them."]
        : []),
      ...todo,
    ].join("\n"),
  };
}
