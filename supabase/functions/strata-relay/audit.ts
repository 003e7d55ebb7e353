/**
 * Audits of a link, carried: the hotter tier asks, the colder one answers, each question a call at one
 * end and its answer a call at the other. After a crash the step that was under way begins anew.
 */
import { DatabaseError } from "../_strata/http/errors.ts";
import type { Cargo, Destination, Source } from "../_strata/protocol/strata_relay.ts";

/** What an audit needs of a slice. */
export interface AuditDeps {
  sleep(milliseconds: number): Promise<void>;
}

/** A worker has 2 s of CPU, and a page of 5,000 keys takes about 10 ms of it. */
const SLICE_CALLS = 80;

/** Goes on with the audits that have begun; says whether it broke off and the next slice should come soon. */
export async function carryAudits(
  deps: AuditDeps,
  source: Source,
  destination: Destination,
  isSpent: () => boolean,
): Promise<boolean> {
  let reply: { soFar: Cargo; answer: Cargo } | undefined;
  let calls = 0;
  for (; calls < SLICE_CALLS && !isSpent(); calls++) {
    const next = await source.audit(reply);
    reply = undefined;
    if (next.state === "ask") {
      const answer = await ask(source, destination, next.dataset, next.question);
      if (answer === undefined) return false;
      reply = { soFar: next.so_far, answer };
    } else if (next.state === "busy") {
      await deps.sleep(100); // rows of it are on their way: not for long
    } else if (next.state === "nothing" || next.state === "failed") {
      return false; // what failed is tried again by a later slice
    }
  }
  return calls > 0;
}

/** The answer of the colder tier; undefined, and written down with the audit, when it has none. */
async function ask(
  source: Source,
  destination: Destination,
  dataset: string,
  question: Cargo,
): Promise<Cargo | undefined> {
  try {
    return await destination.answer(question);
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.unreachable) throw error;
    await source.auditFailed(dataset, error.code, error.message);
    return undefined;
  }
}
