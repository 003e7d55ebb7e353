/**
 * The shape of `strata.yaml`, part by part. A schema's message says what to write instead, so that
 * every problem reads "<path> is <what stands there>: write <what belongs there>".
 */
import { z } from "zod";

/** The tiers, hottest first. */
export const TIERS = ["core", "main", "archive"] as const;
/** The name of a tier. */
export type TierName = (typeof TIERS)[number];

/** How a link is driven. */
export const DRIVERS = ["push", "pull", "relay"] as const;
/** How a link is driven: by the hotter tier, by the colder one, or by an edge function. */
export type Driver = (typeof DRIVERS)[number];

const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;

const text = (what: string) => z.string({ error: what }).min(1, { error: what });
const whole = (least: number, what: string) => z.int({ error: what }).gte(least, { error: what });
const matching = (pattern: RegExp, what: string) =>
  z.string({ error: what }).regex(pattern, { error: what });
const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, { error: listed(values) });

const variable = (example: string) =>
  matching(/^[A-Za-z_]\w*$/, `the name of an environment variable, such as ${example}`);
const threshold = matching(/^\d+(\.\d+)? ?(MB|%)$/, 'a size such as "400 MB", or "85 %"');
const ca = (where: string) => text(`the file of the CA's certificate (${where}), or system`);
const reason = matching(/\S/, 'a reason, such as "WireGuard encrypts it"');
/** -1 is the older way to write never. */
const DAYS = "a whole number of days, such as 30, or never";
const days = z.union([z.literal("never"), whole(-1, DAYS)], { error: DAYS });

/** How a tier hands its rows to the next one. */
export const LinkSchema = z.strictObject({
  driver: oneOf(DRIVERS),
  dial_host: text("a host name or address").optional(),
  dial_port: whole(1, "a port, such as 5432").lte(65535, { error: "a port, such as 5432" })
    .optional(),
  sslmode: oneOf(SSL_MODES).optional(),
  ca: ca("a path on the dialling tier's server").optional(),
  insecure_because: reason.optional(),
}, { error: "a link, such as { driver: pull }" });

/** One tier of `database_tiers`. */
export const TierSchema = z.strictObject({
  name: text("a name for people to read"),
  provider: oneOf(["supabase", "self_hosted", "postgres"]),
  url_env: variable("STRATA_CORE_URL").optional(),
  key_env: variable("STRATA_CORE_KEY").optional(),
  db_url_env: variable("STRATA_CORE_DB_URL"),
  capacity_mb: whole(1, "a whole number of MB, such as 500"),
  warn_at: threshold,
  critical_at: threshold,
  pool_size: whole(1, "a whole number of connections, such as 10"),
  ca: ca("a path on this machine").optional(),
  insecure_because: reason.optional(),
  link: LinkSchema.optional(),
}, { error: "a tier with its settings" });

/** One dataset of `lifecycle_policies`. Everything may be left out: the rest is from `default`. */
export const PolicySchema = z.strictObject({
  table: matching(
    /^("([^"]|"")+"|[^".]+)\.("([^"]|"")+"|[^".]+)$/,
    "the table with its schema, such as public.tasks",
  ).optional(),
  age_column: text("the name of a column, such as created_at").optional(),
  core_retention_days: days.optional(),
  main_retention_days: days.optional(),
  delete_after_days: days.optional(),
  archive_after_days: days.optional(),
  trigger: oneOf(["age", "completed"]).optional(),
  due_when: text("an SQL condition over the row, such as status = 'completed'").optional(),
  size_limit_kb: whole(1, "a whole number of KB, such as 100").optional(),
  delete_triggers: oneOf(["fire", "skip"]).optional(),
}, { error: "a policy, such as { core_retention_days: 30 }" });

/** Everything `strata.yaml` may hold, without what only holds across its parts. */
export const FileSchema = z.strictObject({
  database_tiers: z.strictObject({
    core: TierSchema,
    main: TierSchema.optional(),
    archive: TierSchema.optional(),
  }, { error: "the tiers core, main and archive" }),
  lifecycle_policies: z.record(z.string(), PolicySchema, { error: "policies by dataset" })
    .default({}),
  personal: z.boolean({ error: "true or false" }).default(false),
}, { error: "database_tiers and lifecycle_policies" });

/** A file that has passed {@link FileSchema}. */
export type File = z.infer<typeof FileSchema>;
/** One checked policy as it stands in the file. */
export type FilePolicy = z.infer<typeof PolicySchema>;
/** One checked tier as it stands in the file. */
export type FileTier = z.infer<typeof TierSchema>;

/** The keys that are known at a path of the file; none where any key may stand. */
export function knownKeys(path: readonly PropertyKey[]): string[] {
  if (path.length === 0) return Object.keys(FileSchema.shape);
  const [section, , part] = path;
  if (section === "lifecycle_policies") {
    return path.length === 2 ? Object.keys(PolicySchema.shape) : [];
  }
  if (path.length === 1) return [...TIERS];
  return Object.keys(part === "link" ? LinkSchema.shape : TierSchema.shape);
}

function listed(values: readonly string[]): string {
  return `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}
