import { type Command, InvalidArgumentError } from "commander";
import { isTransactionMode, shownAddress } from "../advise/address.ts";
import { advice } from "../advise/advice.ts";
import { type DoorFlags, doorOf } from "../advise/door.ts";
import { policiesYaml, proposals } from "../advise/policies.ts";
import { Reader } from "../advise/reader.ts";
import { next, whenFull } from "../advise/steps.ts";
import { adviceText } from "../advise/text.ts";
import { command, type CommonOptions, type Io, show } from "../lib/command.ts";

const MB = 1024 * 1024;
/** What the free plan holds. */
const FREE_MB = 500;

interface AdviseFlags extends CommonOptions, DoorFlags {
  capacity?: number;
  config?: string;
}

/** `advise`: what fills a database and what could be done about it, before anything is installed. */
export function advise(io: Io): Command {
  return command(
    "advise",
    "look at any database, before Strata is there: what fills it, what could leave, what to do",
    [
      "advise                           # core, as the configuration has it",
      "advise --db-url DATABASE_URL     # the variable that holds the address",
      "advise --db-url postgresql://me@db.example.org:5432/app   # its password in PGPASSWORD",
      "advise --json --capacity 8192",
    ],
  )
    .option("--db-url <address>", "the database: its address, or a variable that holds it")
    .option(
      "--capacity <mb>",
      "how much it may hold (default: core's capacity_mb, or 500)",
      megabytes,
    )
    .option("--ca <file>", "the CA of its certificate, or system; a hosted project needs none")
    .option("--insecure-because <reason>", "why its address may name less than verify-full")
    .action((flags: AdviseFlags) => report(io, flags));
}

async function report(io: Io, flags: AdviseFlags): Promise<void> {
  const { url, trust, capacityMb } = await doorOf(io, flags);
  await using reader = await Reader.open(url, trust);
  const found = await advice(reader, (flags.capacity ?? capacityMb ?? FREE_MB) * MB);
  const proposed = proposals(found);
  const text = adviceText(found, proposed, shownAddress(url));
  show(io, flags, {
    document: {
      ...found,
      proposals: { ...proposed, yaml: policiesYaml(proposed) },
      first: whenFull(found),
      next: next(found, proposed),
    },
    text: isTransactionMode(url)
      ? `${text}\n\nThis address is the pooler's transaction mode (6543); Strata itself needs port 5432.`
      : text,
    ok: !found.full,
  });
}

function megabytes(value: string): number {
  if (!/^[1-9]\d{0,8}$/.test(value)) {
    throw new InvalidArgumentError("Write a whole number of MB, such as 500.");
  }
  return Number(value);
}
