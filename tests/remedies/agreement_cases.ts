/** Tiers that have forgotten something, or go by a wrong clock. */
import type { Sql } from "postgres";
import { backUp } from "../support/audit.ts";
import { settle } from "../support/notes.ts";
import { type Case, statementsOf, watch } from "./support.ts";

/** Sets a tier's clock so far ahead of the real one. */
const setClock = (sql: Sql, ahead: string) =>
  sql.unsafe(`create or replace function strata.clock() returns timestamptz
    language sql stable set search_path = '' as $$ select pg_catalog.now() + interval '${ahead}' $$`);

/** By the kind of the alert. */
export const OTHERS: Record<string, Case> = {
  clock: {
    kind: "clock",
    make: ({ main }) => setClock(main.sql, "3 hours"),
    act: async (chain) => {
      await setClock(chain.main.sql, "0 hours");
      await watch(chain); // it ends when a neighbour has been heard
    },
  },
  policy_lost: {
    kind: "policy_lost",
    async make(chain) {
      await using backup = await backUp(chain.core);
      await chain.core.sql`select strata.manage('public.notes', p_main_retention_days => 9000)`;
      await settle(chain);
      await backup.putBack();
    },
    act: async ({ core }, { remedy }) => {
      await core.sql`select strata.manage('public.notes', p_main_retention_days => 9000)`;
      await core.sql.unsafe(statementsOf(remedy)[0] ?? remedy);
    },
  },
  unconfirmed: {
    kind: "unconfirmed",
    async make(chain) {
      const { core, main } = chain;
      await core.sql`select strata.manage('public.notes', p_delete_after_days => 20000)`;
      await settle(chain);
      await core.sql`select strata.unmanage('notes')`; // and after three days
      await main.sql`update strata.datasets set managed_at = managed_at - interval '3 days'`;
      await main
        .sql`update strata.confirmations set confirmed_at = confirmed_at - interval '3 days'`;
    },
    on: "main",
  },
};
