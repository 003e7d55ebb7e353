/** Policies to begin with: for which tables, and how long their rows stay on core. */
import { stringify } from "yaml";
import { SHIPPED } from "../config/shipped.ts";
import { size } from "../lib/output.ts";
import type { Advice, Settling } from "./advice.ts";
import { TOLD } from "./ages.ts";

/** A policy as the configuration takes it. */
export interface Proposal {
  dataset: string;
  table: string;
  policy: Record<string, string | number | null>;
  /** Bytes of core that it frees. */
  frees: number;
}

/** A table that could settle and is left to its owner to decide. */
export interface Undecided {
  table: string;
  why: string;
}

/** What is proposed, what is left open, and names that a shipped policy would take for its own. */
export interface Proposals {
  policies: Proposal[];
  undecided: Undecided[];
  /** Tables of the owner's called like one of the personal system, for which no policy is proposed. */
  namesakes: string[];
}

const MOST = 15;
const WORTH = 1024 * 1024;

/** Proposes a policy for each table whose rows can leave, and for none that others still need. */
export function proposals({ settling, server }: Pick<Advice, "settling" | "server">): Proposals {
  const open = settling.filter(({ managed, objections, ages }) =>
    !managed && ages !== null && objections.every(({ code }) => code === "ST013")
  );
  const policies: Proposal[] = [];
  const undecided: Undecided[] = [];
  const taken = new Set<string>();
  for (const one of open) {
    if ((one.frees?.[30] ?? 0) < Math.min(WORTH, one.bytes / 10) || one.ages?.rows === 0) continue;
    const why = whyUndecided(one);
    if (why !== undefined) undecided.push({ table: one.table, why });
    else if (policies.length < MOST) policies.push(proposal(one, taken));
  }
  const named = policies.map(({ table }) => table);
  const namesakes = server.installed
    ? []
    : settling.filter(({ schema, name, table }) =>
      schema === "public" && SHIPPED.includes(name) && !named.includes(table)
    ).map(({ name }) => name);
  return { policies, undecided, namesakes };
}

function whyUndecided({ referred_by, age, schema, name, mind }: Settling): string | undefined {
  if ((schema + name).includes(".")) {
    return "there is a dot in its name: select strata.manage() takes it, strata.yaml does not";
  }
  if (referred_by.length > 0) {
    return `rows of ${
      referred_by.join(", ")
    } refer to it, and new ones could not refer to a row that has settled`;
  }
  if (age?.sure !== true) return `is ${age?.column} when a row was made?`;
  return mind.find((says) => says.startsWith("its rows are written again"));
}

/** The longest stay that frees at least half of what the shortest one does. */
function proposal(one: Settling, taken: Set<string>): Proposal {
  const frees = (days: number) => one.frees?.[days] ?? 0;
  const core = TOLD.toReversed().find((days) => frees(days) * 2 >= frees(30)) ?? 30;
  const plain = one.schema === "public" ? one.name : `${one.schema}_${one.name}`;
  const dataset = taken.has(plain) ? `${plain}_${taken.size}` : plain;
  taken.add(dataset);
  const isShipped = SHIPPED.includes(dataset);
  return {
    dataset,
    table: one.table,
    frees: frees(core),
    policy: {
      ...(one.table === `public.${dataset}` ? {} : { table: one.table }),
      age_column: one.age?.column ?? "created_at",
      core_retention_days: core,
      main_retention_days: core === 365 ? 1095 : 365,
      delete_after_days: "never",
      ...(isShipped ? { trigger: null, size_limit_kb: null } : {}),
      ...(one.objections.length > 0 ? { delete_triggers: "skip" } : {}),
    },
  };
}

/** The policies as a part of strata.local.yaml, with what each does as a comment. */
export function policiesYaml({ policies, undecided, namesakes }: Proposals): string {
  const lines = policies.flatMap(({ dataset, policy, frees }) => {
    const [title = "", ...rest] = stringify({ [dataset]: policy }, { lineWidth: 0 }).trimEnd()
      .split("\n");
    return [
      `  # frees about ${size(frees)} of core`,
      `  ${title}`,
      ...rest.map((line) =>
        line.includes("delete_triggers")
          ? `  ${line} # a move does not fire its delete triggers; fire: it does`
          : `  ${line}`
      ),
    ];
  });
  return [
    // Nothing below it would be null, which takes every policy away.
    policies.length + namesakes.length === 0 ? "lifecycle_policies: {}" : "lifecycle_policies:",
    ...lines,
    ...namesakes.map((name) =>
      `  ${name}: null # yours is not the table of this name that strata.yaml has a policy for`
    ),
    ...undecided.map(({ table, why }) => `  # ${`${table}: ${why}`.replaceAll(/\s+/g, " ")}`),
  ].join("\n");
}
