export { waitFor, type WaitOptions } from "../../local/wait_for.ts";
