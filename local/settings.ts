import { resolve } from "node:path";
import { z } from "zod";
import { type EnvFile, readEnvFile } from "./env_file.ts";

/** The tiers of the chain, hottest first. */
export const TIERS = ["core", "main", "archive"] as const;

/** One database of the chain. */
export type Tier = typeof TIERS[number];

/** Where one stack lives and what it was told before. Two stacks can run side by side. */
export interface Stack {
  /** The directory that holds everything: clusters, logs, passwords. */
  readonly home: string;
  /** Every port of the stack is a small number added to this one. */
  readonly portBase: number;
  /** What `up` wrote down last time: passwords stay the same from one start to the next. */
  readonly saved: EnvFile;
  /** The major version of PostgreSQL that each tier is to have, where somebody has said so. */
  readonly majors: Partial<Record<Tier, number>>;
}

/** The repository this file belongs to. */
export const REPOSITORY = resolve(import.meta.dirname ?? ".", "..");

const MAJOR = /^1[5-8]$/;
const PORT_BASE = z.coerce.number().int().min(1024).max(65_000);
const DEFAULT_PORT_BASE = 55_430;

/** What a caller may decide; the environment decides the rest. */
export interface StackOptions {
  home?: string;
  portBase?: number;
  /** The major versions of PostgreSQL, where the environment's are not meant. */
  majors?: Partial<Record<Tier, number>>;
}

/** The stack that the options, the environment and its own memory describe, in that order. */
export async function openStack(options: StackOptions = {}): Promise<Stack> {
  const home = resolve(REPOSITORY, options.home ?? Deno.env.get("STRATA_HOME") ?? ".strata");
  const saved = await readEnvFile(`${home}/env`);
  const wanted = options.portBase ?? Deno.env.get("STRATA_PORT_BASE") ?? saved.STRATA_PORT_BASE ??
    DEFAULT_PORT_BASE;
  const portBase = PORT_BASE.safeParse(wanted);
  if (!portBase.success) {
    throw new StackError(
      `STRATA_PORT_BASE is "${wanted}", which is no port to count from.`,
      "Give a number from 1024 to 65000; the tiers take the three ports after it.",
    );
  }
  const majors = options.majors ?? readMajors(Deno.env.get("STRATA_PG") ?? "");
  return { home, portBase: portBase.data, saved, majors };
}

/** `17`: on every tier; `15,17,18`: on core, main and archive. */
export function readMajors(text: string): Partial<Record<Tier, number>> {
  if (text === "") return {};
  const versions = text.split(",").map((one) => one.trim());
  const isChain = versions.length === 1 || versions.length === TIERS.length;
  if (!isChain || !versions.every((one) => MAJOR.test(one))) {
    throw new StackError(
      `STRATA_PG is "${text}", which names no versions of PostgreSQL.`,
      "Give one for all tiers (17), or three for core, main and archive (15,17,18).",
    );
  }
  return Object.fromEntries(TIERS.map((tier, at) => [tier, Number(versions[at] ?? versions[0])]));
}

/** The port of a tier's Postgres. */
export function databasePort(stack: Stack, tier: Tier): number {
  return stack.portBase + 1 + TIERS.indexOf(tier);
}

/** The port of a tier's REST gateway. */
export function gatewayPort(stack: Stack, tier: Tier): number {
  return stack.portBase + 11 + TIERS.indexOf(tier);
}

/** Something the person at the keyboard can mend: what is wrong, and how to put it right. */
export class StackError extends Error {
  /** Says in a sentence what is wrong, and in another what to do about it. */
  constructor(message: string, readonly remedy: string) {
    super(message);
    this.name = "StackError";
  }
}
