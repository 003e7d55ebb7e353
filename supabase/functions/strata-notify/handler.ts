/**
 * notify: delivers what waits in the outbox, over Telegram and a webhook.
 *
 *   GET                  what would be sent now, and how the channels are; sends nothing
 *   POST                 answers 202 and delivers in the background; so does a wake (wake.ts)
 *   POST {"wait": true}  delivers and says what came of it
 *   POST {"test": true}  puts a line of greeting into the outbox first
 */
import { z } from "zod";
import { ChannelsEnv, deliver } from "../_strata/outbound/deliver.ts";
import { toPlain, toTelegram } from "../_strata/render/document.ts";
import { type Handler, Nothing, route, router, woken } from "../_strata/http/http.ts";
import { messageDocument } from "../_strata/render/render_message.ts";
import { splitHtml } from "../_strata/outbound/split_html.ts";
import { previewMessages, tellNotice } from "../_strata/protocol/strata_outbox.ts";
import type { Deps } from "../_strata/http/wire.ts";

/** What the function is started with. */
export const Env = ChannelsEnv;
/** What the function is started with. */
export type Env = ChannelsEnv;

const Deliver = z.strictObject({
  wait: z.boolean().optional(),
  test: z.boolean().optional(),
});

/** Builds the function. */
export function createHandler(deps: Deps<Env>): Handler {
  return router(deps, {
    GET: route({ body: Nothing, query: Nothing, run: () => preview(deps) }),
    POST: route({
      body: Deliver,
      query: Nothing,
      previews: true,
      wake: woken(Nothing, () => Promise.resolve(accept(deps))),
      run: async ({ body, dryRun }) => {
        if (dryRun) return await preview(deps);
        if (body.test === true) {
          await tellNotice(deps.rpc, `test/${new Date(deps.now()).toISOString()}`, {
            title: "Strata",
            text: "can reach you here.",
          });
        }
        if (body.wait === true) return { deliveries: await deliver(deps) };
        return accept(deps);
      },
    }),
  });
}

function accept(deps: Deps<Env>): Response {
  deps.background(deliver(deps));
  return Response.json({ accepted: true }, { status: 202 });
}

async function preview(deps: Deps<Env>) {
  const { channels, messages } = await previewMessages(deps.rpc);
  return {
    channels,
    configured: configured(deps.env),
    messages: messages.map((message) => {
      const document = messageDocument(message);
      const { key, kind, audience, severity, silent } = message;
      const parts = splitHtml(toTelegram(document)).length;
      return { key, kind, audience, severity, silent, parts, text: toPlain(document) };
    }),
  };
}

/** Which channels have their variables, and what the others lack. */
function configured(env: Env): Record<string, string> {
  const says = (missing: string[]) => missing.length === 0 ? "yes" : `no: ${missing.join(", ")}`;
  const missing = (...names: (keyof Env)[]) => names.filter((name) => env[name] === undefined);
  return {
    telegram: says(missing("TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID")),
    webhook: says(missing("STRATA_WEBHOOK_URL", "STRATA_WEBHOOK_SECRET")),
  };
}
