import { wire } from "../_shared/wire.ts";
import { createHandler, Env } from "./handler.ts";

export default { fetch: wire("relay", Env, createHandler) };
