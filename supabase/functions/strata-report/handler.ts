/**
 * report: how everything is.
 *
 *   GET ?kind=day|month&format=markdown|json|html    the report as of now; sends nothing
 *   POST {"send": true, "kind": …, "to": "owner"|"admin", "wait": true}
 *                                                    sends it, once a day or month and reader
 *
 * What it says comes from the tier itself and from what the colder ones last said, so that it never
 * fails because one of them is down.
 */
import { z } from "zod";
import { ChannelsEnv, deliver } from "../_strata/outbound/deliver.ts";
import { type Document, toMarkdown, toTelegram } from "../_strata/render/document.ts";
import { type Handler, Nothing, route, router } from "../_strata/http/http.ts";
import { recommendations } from "../_strata/render/report_advice.ts";
import { reportDocument } from "../_strata/render/report_document.ts";
import { reportPage } from "../_strata/render/report_page.ts";
import { splitHtml } from "../_strata/outbound/split_html.ts";
import { readReport, tellReport } from "../_strata/protocol/strata_reports.ts";
import type { Deps } from "../_strata/http/wire.ts";

/** What the function is started with. */
export const Env = ChannelsEnv;
/** What the function is started with. */
export type Env = ChannelsEnv;

const Kind = z.enum(["day", "month"]);
const Read = z.strictObject({
  kind: Kind.optional(),
  format: z.enum(["markdown", "json", "html"]).optional(),
});
const Send = z.strictObject({
  send: z.literal(true),
  kind: Kind.optional(),
  to: z.enum(["owner", "admin"]).optional(),
  /** Answer when it is delivered, not before. */
  wait: z.boolean().optional(),
});

/** Builds the function. */
export function createHandler(deps: Deps<Env>): Handler {
  return router(deps, {
    GET: route({ body: Nothing, query: Read, run: ({ query }) => read(deps, query) }),
    POST: route({
      body: Send,
      query: Nothing,
      previews: true,
      run: ({ body, dryRun }) => send(deps, body, dryRun),
    }),
  });
}

async function read(
  deps: Deps<Env>,
  { kind = "day", format = "markdown" }: z.infer<typeof Read>,
): Promise<Response> {
  const report = await readReport(deps.rpc, kind);
  if (format === "json") {
    return Response.json({ ...report, recommendations: recommendations(report) });
  }
  const document = reportDocument(report);
  return format === "html"
    ? text(reportPage(report, document), "text/html")
    : text(toMarkdown(document), "text/markdown");
}

/** Nothing in it is a script, and no browser shall look for one. */
function text(content: string, type: string): Response {
  return new Response(content, {
    headers: {
      "content-type": `${type}; charset=utf-8`,
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      "x-content-type-options": "nosniff",
    },
  });
}

async function send(
  deps: Deps<Env>,
  { kind = "day", to = kind === "month" ? "admin" : "owner", wait }: z.infer<typeof Send>,
  dryRun: boolean,
) {
  if (dryRun) {
    const document: Document = reportDocument(await readReport(deps.rpc, kind));
    return { kind, to, parts: splitHtml(toTelegram(document)).length, text: toMarkdown(document) };
  }
  const message = await tellReport(deps.rpc, kind, to);
  const told = { kind, to, message, sent_before: message === null };
  if (wait === true) return { ...told, deliveries: await deliver(deps) };
  deps.background(deliver(deps));
  return Response.json(told, { status: 202 });
}
