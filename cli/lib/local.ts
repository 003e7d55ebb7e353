import { isLoopback } from "../../supabase/functions/_shared/safe_address.ts";

/** Whether an address is one of this machine, as those of the local stack are. */
export function isLocal(url: string): boolean {
  return isLoopback(new URL(url).hostname);
}
