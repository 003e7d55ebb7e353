/**
 * What CI systems tell: GitHub's deployment_status, workflow_run and status, Gitea's and Forgejo's
 * workflow_run and status, and a form of our own for everything that can call curl. Their bodies have
 * hundreds of fields; only those that are used are read.
 */
import { z } from "zod";
import { plainText } from "../_strata/http/http.ts";
import { describeIssues } from "../_strata/http/issues.ts";

/** Something was deployed, or was not. */
export interface Notice {
  title: string;
  text: string;
  ok: boolean;
  /** When, as the signed body says. */
  at: Date;
}

const Name = plainText(300);
const Time = z.union([z.iso.datetime({ offset: true }), z.number().int().positive()])
  .transform((at) => new Date(typeof at === "number" ? at * 1000 : at));
const Repository = z.object({ full_name: Name });

const DeploymentStatus = z.object({
  repository: Repository,
  deployment: z.object({ environment: Name, ref: Name, sha: Name }),
  deployment_status: z.object({ state: Name, updated_at: Time }),
}).transform(({ repository, deployment, deployment_status }) => ({
  repository: repository.full_name,
  what: deployment.environment,
  ref: deployment.ref,
  sha: deployment.sha,
  state: deployment_status.state,
  at: deployment_status.updated_at,
}));

const WorkflowRun = z.object({
  action: Name,
  repository: Repository,
  workflow_run: z.object({
    name: Name.nullish(),
    path: Name.nullish(), // Gitea's runs have no name, but a file
    conclusion: Name.nullish(),
    head_branch: Name.nullish(),
    head_sha: Name,
    updated_at: Time.nullish(),
    completed_at: Time.nullish(),
  }),
}).transform(({ action, repository, workflow_run: run }) => ({
  repository: repository.full_name,
  what: run.name ?? run.path ?? "workflow",
  ref: run.head_branch ?? "",
  sha: run.head_sha,
  state: action === "completed" ? run.conclusion ?? "" : "pending",
  at: run.updated_at ?? run.completed_at ?? new Date(0),
}));

const Status = z.object({
  repository: Repository,
  context: Name,
  sha: Name,
  state: Name,
  updated_at: Time,
}).transform(({ repository, context, sha, state, updated_at }) => ({
  repository: repository.full_name,
  what: context,
  ref: "",
  sha,
  state,
  at: updated_at,
}));

/** For whoever signs a body of their own. */
const Own = z.strictObject({
  repository: Name,
  what: Name,
  ref: Name.optional(),
  sha: Name.optional(),
  state: z.enum(["success", "failure"]),
  at: Time,
}).transform(({ ref = "", sha = "", ...rest }) => ({ ref, sha, ...rest }));

/** What is read of any of them. */
interface Event {
  repository: string;
  what: string;
  ref: string;
  sha: string;
  state: string;
  at: Date;
}

const EVENTS = new Map<string, z.ZodType<Event>>([
  ["deployment_status", DeploymentStatus],
  ["workflow_run", WorkflowRun],
  ["status", Status],
  ["", Own],
]);

const GOOD = ["success"];
const BAD = ["failure", "error", "timed_out", "startup_failure"];

/** A notice, or why there is none: nothing to tell, or the body is not what its event says. */
export function readEvent(
  event: string,
  body: unknown,
): { notice: Notice } | { ignored: string } | { problem: string } {
  const schema = EVENTS.get(event);
  if (schema === undefined) return { ignored: event };
  const read = schema.safeParse(body);
  if (!read.success) return { problem: describeIssues(read.error) };
  const { repository, what, ref, sha, state, at } = read.data;
  const ok = GOOD.includes(state);
  if (!ok && !BAD.includes(state)) return { ignored: `${event} ${state}`.trim() };
  const where = [ref.replace(/^refs\/(heads|tags)\//, ""), sha.slice(0, 8)].filter(Boolean);
  return {
    notice: {
      title: `${ok ? "🚀" : "💥"} ${repository}: ${what} ${ok ? "succeeded" : `failed`}`,
      text: where.length === 0 ? "" : `(${where.join(" ")})`,
      ok,
      at,
    },
  };
}

/** The same for the ear. */
export function spokenNotice(event: { title: string }): string {
  return event.title.replaceAll(/[^\p{L}\p{N}\s:./-]/gu, "").replaceAll(/[/_-]+/g, " ").trim();
}
