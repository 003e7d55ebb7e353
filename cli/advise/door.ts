/** Which database is meant: one that is named, or the configuration's core. */
import { coreOf, readEnvironment } from "../config/load.ts";
import type { TierTrust } from "../config/security.ts";
import { DEFAULT_CONFIG, fileNamed, type Io, ROOT } from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { readAddress, refuseNamelessProject, type TrustFlags, trustOfFlags } from "./address.ts";

/** A database to look at. */
export interface Door {
  url: string;
  trust: TierTrust;
  /** What it may hold, as far as the configuration knows. */
  capacityMb: number | undefined;
}

/** The flags by which a database is named. */
export interface DoorFlags extends TrustFlags {
  dbUrl?: string;
  config?: string;
}

/** A word that names an environment variable, so that no password stands in a shell's history. */
export const isVariable = (given: string) => /^[A-Za-z_]\w*$/.test(given);

/** The database that the flags name, or core. */
export async function doorOf(io: Io, flags: DoorFlags): Promise<Door> {
  const environment = io.environment ?? await readEnvironment(ROOT);
  const given = flags.dbUrl;
  if (given !== undefined) {
    const value = isVariable(given) ? environment[given] : given;
    if (value === undefined) {
      throw new Failure(
        `There is no variable ${given}`,
        "Name one that holds the address, or give the address: postgresql://user@host:5432/postgres.",
        2,
      );
    }
    const subject = isVariable(given) ? given : "--db-url";
    const url = readAddress(value, subject);
    refuseNamelessProject(url, subject);
    const trust = await trustOfFlags(url, flags, subject);
    return { url, trust, capacityMb: undefined };
  }
  const path = flags.config === undefined ? DEFAULT_CONFIG : await fileNamed(flags.config);
  const core = await coreOf(path, environment);
  return {
    url: readAddress(core.dbUrl, core.dbUrlEnv),
    trust: core.trust,
    capacityMb: core.capacityMb,
  };
}
