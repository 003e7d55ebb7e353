import { wire } from "../_strata/http/wire.ts";
import { createHandler, Env } from "./handler.ts";

export default { fetch: wire("strata-health", Env, createHandler) };
