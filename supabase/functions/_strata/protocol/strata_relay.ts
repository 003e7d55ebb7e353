/**
 * The steps of a move at either end of a link, for the relay: the calls of chapter relay. Columns, keys,
 * rows, proofs and kept rows are texts that one database wrote and the other reads; here they are only
 * carried, which the type says.
 */
import { z } from "zod";
import type { Rpc } from "./strata_rpc.ts";

/** Text of one database for the other. Nobody in between looks into it. */
const Cargo = z.string().brand("cargo");
/** Text of one database for the other. */
export type Cargo = z.infer<typeof Cargo>;

const Batch = z.object({
  status: z.enum(["claimed", "open", "purged", "nothing", "blocked", "unknown"]),
  move_id: z.uuid().nullable(),
  columns: Cargo.nullable(),
  proof_hash: Cargo.nullable().default(null), // a tier that was set up before there were seals tells none
  lines: Cargo.nullable(),
});
/** A batch as the source claimed it, or why there is none. */
export type Batch = z.infer<typeof Batch>;

const Kept = z.object({ moved: z.number(), kept: Cargo });
/** What a purge came to. */
export type Kept = z.infer<typeof Kept>;

const Audit = z.discriminatedUnion("state", [
  z.object({ state: z.literal("ask"), dataset: z.string(), question: Cargo, so_far: Cargo }),
  z.object({ state: z.enum(["more", "busy", "end", "done", "failed", "link down", "nothing"]) }),
]);
/** What an audit wants to know of the colder tier next, or what a step of it has come to. */
export type Audit = z.infer<typeof Audit>;

/** The least and the most protocol that this relay speaks: as in supabase/schemas/release.json. */
export const PROTOCOLS: readonly [number, number] = [2, 2];

const Hello = z.object({
  tier: z.string().nullable(),
  read_only: z.string(),
  version: z.string().default("0.0"),
  protocol: z.int(), // all that was said before there were ranges
  protocols: z.tuple([z.int(), z.int()]).optional(),
  encoding: z.literal("UTF8"),
});
/** Who a database is. */
export type Hello = z.infer<typeof Hello>;

/** One end of a link. */
export interface End {
  tier: string;
  rpc: Rpc;
}

/** Asks a database who it is. */
export async function hello(rpc: Rpc): Promise<Hello> {
  return Hello.parse(await rpc("relay_hello"));
}

/** The hotter end of a link. */
export class Source {
  /** `to` is the tier at the other end. */
  constructor(readonly rpc: Rpc, readonly tier: string, readonly to: string) {}

  /** Takes the lease; the datasets with work, or undefined when it is not our turn. */
  async begin(token: string, seconds: number, retry: boolean): Promise<string[] | undefined> {
    const found = await this.rpc("relay_begin", {
      p_neighbour: this.to,
      p_token: token,
      p_seconds: seconds,
      p_retry: retry,
    });
    return z.array(z.string()).nullable().parse(found) ?? undefined;
  }

  /** Gives the lease back; `left`: there is more to do. */
  async end(token: string, left: boolean): Promise<void> {
    await this.rpc("relay_end", { p_neighbour: this.to, p_token: token, p_left: left });
  }

  /** What the other end is told of policies and the clock. */
  async agreed(): Promise<Cargo> {
    return Cargo.parse(await this.rpc("relay_agreed", { p_neighbour: this.to }));
  }

  /** The next batch of a dataset; `besides`: moves of the same run that are still open. */
  async claim(dataset: string, besides: readonly string[] = []): Promise<Batch> {
    const rows = await this.rpc("relay_claim", {
      p_dataset: dataset,
      p_neighbour: this.to,
      p_besides: `{${besides.join(",")}}`,
    });
    return z.tuple([Batch]).parse(rows)[0];
  }

  /** Everything the colder tier must know of a dataset. */
  async describe(dataset: string): Promise<Cargo> {
    return Cargo.parse(await this.rpc("relay_describe", { p_dataset: dataset }));
  }

  /** Notes what the colder tier has accepted. */
  async told(dataset: string, description: Cargo, columns: Cargo): Promise<void> {
    await this.rpc("relay_told", {
      p_dataset: dataset,
      p_description: description,
      p_columns: columns,
    });
  }

  /** Deletes what is proved. */
  async purge(move: string, proofs: Cargo | null, refused: Cargo | null): Promise<Kept> {
    const rows = await this.rpc("relay_purge", {
      p_move: move,
      p_proofs: proofs,
      p_refused: refused,
    });
    return z.tuple([Kept]).parse(rows)[0];
  }

  /** The keys a move has claimed. */
  async keys(move: string): Promise<Cargo> {
    return Cargo.parse(await this.rpc("relay_keys", { p_move: move }));
  }

  /** Drops the manifest. */
  async finish(move: string, outcomes: Cargo): Promise<void> {
    await this.rpc("relay_finish", { p_move: move, p_outcomes: outcomes });
  }

  /** Those of the given moves that are not open here. */
  async notOpen(moves: Cargo): Promise<Cargo> {
    return Cargo.parse(await this.rpc("relay_not_open", { p_moves: moves }));
  }

  /** Writes down why a dataset stands still; false when that is not the dataset's fault. */
  async noteFailure(dataset: string, code: string, says: string): Promise<boolean> {
    const args = { p_dataset: dataset, p_code: code, p_says: says };
    return z.boolean().parse(await this.rpc("relay_note_failure", args));
  }

  /** Goes on with an audit; with the answer to what it asked. */
  async audit(reply?: { soFar: Cargo; answer: Cargo }): Promise<Audit> {
    const said = await this.rpc("relay_audit", {
      p_neighbour: this.to,
      ...(reply === undefined ? {} : { p_so_far: reply.soFar, p_answer: reply.answer }),
    });
    return Audit.parse(JSON.parse(z.string().parse(said)));
  }

  /** Writes down why an audit has no answer. */
  async auditFailed(dataset: string, code: string, says: string): Promise<void> {
    await this.rpc("relay_audit_failed", {
      p_neighbour: this.to,
      p_dataset: dataset,
      p_code: code,
      p_says: says,
    });
  }
}

/** The colder end of a link. */
export class Destination {
  /** `from` is the tier at the other end. */
  constructor(readonly rpc: Rpc, readonly tier: string, readonly from: string) {}

  /** Makes or completes a dataset's twin; the order of its columns. */
  async accept(description: Cargo): Promise<Cargo> {
    const args = { p_description: description, p_from: this.from };
    return Cargo.parse(await this.rpc("relay_accept", args));
  }

  /** Takes a batch in; the rows it refused. */
  async receive(move: string, dataset: string, columns: Cargo, lines: Cargo): Promise<Cargo> {
    return Cargo.parse(
      await this.rpc("relay_receive", {
        p_move: move,
        p_dataset: dataset,
        p_from: this.from,
        p_columns: columns,
        p_lines: lines,
      }),
    );
  }

  /**
   * What is committed here: the batch's proof_hash if all of it is there as it was claimed, the fingerprints
   * of its rows if not; null when they have to be looked for by key.
   */
  async provePlaces(
    move: string,
    dataset: string,
    columns: Cargo,
    proof_hash: Cargo | null,
  ): Promise<Cargo | null> {
    const args = { p_move: move, p_dataset: dataset, p_columns: columns };
    const sealed = proof_hash === null ? args : { ...args, p_proof_hash: proof_hash };
    return Cargo.nullable().parse(await this.rpc("relay_prove", sealed));
  }

  /** The fingerprints of what is committed here under a batch's keys. */
  async prove(move: string, dataset: string, columns: Cargo, keys: Cargo): Promise<Cargo> {
    return Cargo.parse(
      await this.rpc("relay_prove", {
        p_move: move,
        p_dataset: dataset,
        p_columns: columns,
        p_keys: keys,
      }),
    );
  }

  /** Retracts what was kept and shuts the door. */
  async close(move: string, dataset: string, columns: Cargo, kept: Cargo): Promise<Cargo> {
    return Cargo.parse(
      await this.rpc("relay_close", {
        p_move: move,
        p_dataset: dataset,
        p_from: this.from,
        p_columns: columns,
        p_kept: kept,
      }),
    );
  }

  /** Arrivals that are open; `{}` when there are none. */
  async openArrivals(): Promise<Cargo> {
    return Cargo.parse(await this.rpc("relay_open_arrivals", { p_from: this.from }));
  }

  /** Answers a question of an audit. */
  async answer(question: Cargo): Promise<Cargo> {
    const args = { p_from: this.from, p_question: question };
    return Cargo.parse(await this.rpc("relay_answer", args));
  }

  /** Closes arrivals their source does not know. */
  async abandon(moves: Cargo): Promise<void> {
    await this.rpc("relay_abandon", { p_moves: moves });
  }
}

/** Notes at one end how the other is: well, or with an error. */
export async function noteLink(rpc: Rpc, other: string, code?: string, says?: string) {
  await rpc("relay_note_link", { p_neighbour: other, p_code: code ?? null, p_says: says ?? null });
}

/** Lets the two ends compare what either believes of the other: clocks, and policies told and accepted. */
export async function exchangeAgreements(source: Source, destination: Destination): Promise<void> {
  const agree = async (end: End, from: string, said: Cargo) =>
    Cargo.parse(await end.rpc("relay_agree", { p_from: from, p_said: said }));
  const answer = await agree(destination, source.tier, await source.agreed());
  await agree(source, destination.tier, answer);
}

/** Lets the two ends hear each other. */
export async function exchangeHeartbeats(source: Source, destination: Destination): Promise<void> {
  const said = z.string().parse(await source.rpc("relay_heartbeat"));
  const answer = await destination.rpc("relay_hear", { p_from: source.tier, p_heartbeat: said });
  await source.rpc("relay_hear", {
    p_from: destination.tier,
    p_heartbeat: z.string().parse(answer),
  });
}
