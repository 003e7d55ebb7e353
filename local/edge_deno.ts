/** The Deno that Supabase's edge runtime is made from, which is older than the one everything else runs on. */
export const EDGE_DENO = "deno@2.1.4";

/**
 * What that Deno needs in its environment: by itself it trusts only the certificates it was built
 * with, not those of the machine.
 */
export const EDGE_DENO_ENV = {
  DENO_TLS_CA_STORE: Deno.env.get("DENO_TLS_CA_STORE") ?? "mozilla,system",
};
