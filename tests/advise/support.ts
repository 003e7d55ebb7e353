import assert from "node:assert/strict";
import type { Advice } from "../../cli/advise/advice.ts";
import type { Proposals } from "../../cli/advise/policies.ts";
import type { Step } from "../../cli/advise/steps.ts";
import { strata } from "../cli/support.ts";

/** What `advise --json` prints. */
export type Advised = Advice & {
  proposals: Proposals & { yaml: string };
  first: Step[];
  next: Step[];
};

/** Asks for advice on a database, as one who has nothing configured. */
export async function advised(url: string, ...args: string[]): Promise<Advised> {
  const { out, err } = await strata(["advise", "--db-url", url, "--json", ...args]);
  assert.equal(err, "");
  return JSON.parse(out);
}

/** The same, as people read it. */
export async function told(url: string, ...args: string[]): Promise<string> {
  const { out, err } = await strata(["advise", "--db-url", url, ...args]);
  assert.equal(err, "");
  return out;
}

/** What is said of one table. */
export function tableOf({ settling }: Advised, name: string): Advised["settling"][number] {
  const found = settling.find(({ table }) => table === name);
  assert.ok(found !== undefined, `${name} is not told`);
  return found;
}

/** An application: orders and what hangs on them, events, a log without a key. Two years of it. */
export const SHOP = `
  create table public.customers (
    id bigint generated always as identity primary key, email text not null unique,
    created_at timestamptz not null default now());
  create table public.orders (
    id bigint generated always as identity primary key, customer bigint not null references public.customers,
    total numeric, placed_at timestamptz not null default now(),
      updated_at timestamptz not null default now());
  create index orders_placed_at on public.orders (placed_at);
  create index orders_customer on public.orders (customer);
  create index orders_customer_total on public.orders (customer, total);
  create index orders_total on public.orders (total);
  create index orders_total_again on public.orders (total);
  create table public.order_items (
    order_id bigint not null references public.orders on delete cascade, position int, article text,
    primary key (order_id, position));
  create table public.events (
    id uuid primary key default gen_random_uuid(), payload text,
      created_at timestamptz not null default now());
  create table public.request_log (at timestamptz not null default now(), path text);
  create table public.settings (key text primary key, value jsonb);
  insert into public.customers (email, created_at)
    select 'c' || i, now() - i * interval '1 day' from generate_series(1, 500) as i;
  insert into public.orders (customer, total, placed_at)
    select 1 + i % 500, i, now() - i * interval '730 days' / 20000 from generate_series(1, 20000) as i;
  insert into public.order_items select i, n, 'a' from generate_series(1, 20000) as i, generate_series(1,
    2) as n;
  insert into public.events (payload, created_at)
    select repeat(md5(i::text), 2), now() - i * interval '730 days' / 30000 from generate_series(1,
      30000) as i;
  insert into public.request_log
    select now() - i * interval '730 days' / 30000, '/' || i from generate_series(1, 30000) as i;
`;
