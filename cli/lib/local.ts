import { isLoopback } from "../../supabase/functions/_strata/outbound/safe_address.ts";

/** Whether an address is one of this machine, as those of the local stack are. */
export function isLocal(url: string): boolean {
  return isLoopback(new URL(url).hostname);
}
