import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { callFunction } from "../lib/function.ts";
import { count, table } from "../lib/output.ts";
import { Session } from "../lib/session.ts";

const VIEWS = { preview, send, history, estimate, voices, test };

interface Options extends CommonOptions {
  owner: string;
  all?: true;
  text?: string;
  limit?: number;
}

/** What goes with one action only. */
const FLAGS = { all: "send", text: "estimate", limit: "history" } as const;
const MOST_DAYS = 100;

/** `voice`: the spoken briefing of the morning, by hand. */
export function voice(io: Io): Command {
  return command("voice", "the spoken briefing: look at it, send it, see what it cost", [
    "voice preview              # what would be said now, and what it would cost; calls nobody",
    "voice send                 # sends today's, unless it was sent",
    "voice history --limit 30",
    'voice estimate --text "What would this cost?"',
    "voice voices               # the voices of your ElevenLabs account",
    "voice test                 # one spoken sentence to your chat",
  ])
    .addArgument(new Argument("<action>", "what to do").choices(Object.keys(VIEWS)))
    .option("--owner <owner>", "whose briefing, of strata.owners", "owner")
    .addOption(new Option("--all", "send: to every owner who wants one").conflicts("owner"))
    .option("--text <text>", "estimate: another text than today's briefing")
    .option("--limit <days>", `history: how many days, 1 to ${MOST_DAYS} (default: 14)`, days)
    .action((action: keyof typeof VIEWS, options: Options) => {
      for (const flag of ["all", "text", "limit"] as const) {
        if (options[flag] === undefined || action === FLAGS[flag]) continue;
        throw new Failure(`--${flag} goes with voice ${FLAGS[flag]}`, "Leave it out.", 2);
      }
      return perform(io, options, (context) => VIEWS[action](context, options), withoutDatabases);
    });
}

function days(value: string): number {
  const days = Number(value);
  if (/^\d+$/.test(value) && days >= 1 && days <= MOST_DAYS) return days;
  throw new InvalidArgumentError(`Write a number of days from 1 to ${MOST_DAYS}.`);
}

/** Everything is asked of the function; no tier is dialled. */
function withoutDatabases(): Promise<Session> {
  return Promise.resolve(new Session([], []));
}

const Cost = {
  characters: z.number(),
  words: z.number(),
  seconds: z.number(),
  cost: z.object({ credits: z.number(), usd: z.number() }),
  limits: z.object({
    characters_left: z.number(),
    limited_by: z.string(),
    credits_left: z.number(),
    usd_left: z.number(),
  }),
};

const Preview = z.object({
  owner: z.string(),
  day: z.string(),
  language: z.string(),
  channel: z.enum(["voice", "text"]),
  reason: z.string().nullable(),
  text: z.string(),
  left_out: z.array(z.string()),
  troubles: z.array(z.string()).default([]),
  configured: z.object({ telegram: z.boolean(), elevenlabs: z.boolean() }),
  ...Cost,
});

async function preview({ config }: Context, { owner }: Options): Promise<Report> {
  const answer = await callFunction(config, "strata-voice", { action: "preview", owner }, Preview);
  const { channel, reason, day, language, left_out, text, troubles, configured } = answer;
  const because = reason === null ? "" : `, limited by ${reason}`;
  return {
    document: answer,
    text: [
      `${day}, ${answer.owner} (${language}): ${
        channel === "voice" ? "spoken" : "written"
      }${because}`,
      costLine(answer),
      "",
      text,
      ...(left_out.length > 0 ? ["", `left out: ${left_out.join(", ")}`] : []),
      ...troubles.map((trouble) => `not read: ${trouble}`),
      ...(configured.telegram ? [] : ["", "Telegram is not set up: nothing can be sent."]),
    ].join("\n"),
  };
}

const Sent = z.object({
  briefings: z.array(z.object({
    owner: z.string(),
    day: z.string(),
    state: z.enum(["sent", "already", "busy", "failed", "unknown"]),
    channel: z.enum(["voice", "text"]).optional(),
    reason: z.string().nullish(),
    says: z.string(),
  })),
});

const STATES = {
  sent: "sent",
  already: "was sent already",
  busy: "is being sent",
  failed: "could not be sent",
  unknown: "may have arrived; it is not sent again",
};

async function send({ config }: Context, { owner, all }: Options): Promise<Report> {
  const body = { action: "send", wait: true, ...(all ? {} : { owner }) };
  const answer = await callFunction(config, "strata-voice", body, Sent);
  return {
    document: answer,
    text: answer.briefings.map((one) => {
      const how = one.channel === undefined
        ? ""
        : one.channel === "voice"
        ? ", spoken"
        : ", written";
      const why = one.reason == null ? "" : ` (${one.reason})`;
      return `${one.day} ${one.owner}: ${STATES[one.state]}${how}${why}\n${one.says}`;
    }).join("\n\n"),
    ok: answer.briefings.every(({ state }) => state !== "failed" && state !== "unknown"),
  };
}

const History = z.object({
  briefings: z.array(z.object({
    day: z.string(),
    state: z.string(),
    channel: z.string().nullable(),
    reason: z.string().nullable(),
    says: z.string().nullable(),
    characters: z.number().nullable(),
    seconds: z.number().nullable(),
    usd: z.number().nullable(),
    trouble: z.string().nullable(),
  })),
});

async function history({ config }: Context, { owner, limit }: Options): Promise<Report> {
  const body = { action: "history", owner, ...(limit === undefined ? {} : { limit }) };
  const answer = await callFunction(config, "strata-voice", body, History);
  return {
    document: answer,
    text: answer.briefings.length === 0 ? "No briefing yet." : table(
      ["day", "", "", ">characters", ">seconds", ">USD", ""],
      answer.briefings.map((one) => [
        one.day,
        one.state,
        one.channel ?? "",
        one.characters ?? "",
        one.seconds ?? "",
        one.usd === null ? "" : usd(one.usd),
        one.trouble ?? one.reason ?? "",
      ]),
    ),
  };
}

const Estimate = z.object({ model: z.string(), fits: z.boolean(), ...Cost });

async function estimate({ config }: Context, { owner, text }: Options): Promise<Report> {
  const body = { action: "estimate", owner, ...(text === undefined ? {} : { text }) };
  const answer = await callFunction(config, "strata-voice", body, Estimate);
  const { fits, limits } = answer;
  const verdict = fits
    ? "It can be spoken."
    : `It is too long: ${
      count(limits.characters_left)
    } characters are left (${limits.limited_by}).`;
  return { document: answer, text: `${costLine(answer)}\n${verdict}`, ok: fits };
}

const Voices = z.object({
  voice: z.string(),
  voices: z.array(z.object({
    voice_id: z.string(),
    name: z.string(),
    category: z.string(),
    labels: z.record(z.string(), z.string().nullable()),
  })),
  credits: z.object({
    plan: z.string(),
    used: z.number(),
    amount: z.number(),
    resetsAt: z.string().nullable(),
  }).nullable(),
});

async function voices({ config }: Context): Promise<Report> {
  const answer = await callFunction(config, "strata-voice", { action: "voices" }, Voices);
  const { credits } = answer;
  return {
    document: answer,
    text: [
      table(
        ["voice", "", "", ""],
        answer.voices.map(({ voice_id, name, category, labels }) => [
          voice_id === answer.voice ? `* ${voice_id}` : `  ${voice_id}`,
          name,
          category,
          Object.values(labels).filter((label) => label !== null).join(", "),
        ]),
      ),
      ...(credits === null ? [] : [
        "",
        `plan ${credits.plan}: ${count(credits.used)} of ${count(credits.amount)} credits used` +
        (credits.resetsAt === null ? "" : `, anew on ${credits.resetsAt.slice(0, 10)}`),
      ]),
    ].join("\n"),
  };
}

const Tested = z.object({
  channel: z.enum(["voice", "text"]),
  reason: z.string().nullable(),
  code: z.string().nullable(),
  usd: z.number(),
});

async function test({ config }: Context, { owner }: Options): Promise<Report> {
  const answer = await callFunction(config, "strata-voice", { action: "test", owner }, Tested);
  const { channel, reason, code } = answer;
  return {
    document: answer,
    text: channel === "voice"
      ? "Sent: listen to it in your chat."
      : `Sent in writing, not spoken: ${reason}${code ? ` (${code})` : ""}.`,
    ok: channel === "voice",
  };
}

function costLine(
  { characters, words, seconds, cost, limits }: z.infer<z.ZodObject<typeof Cost>>,
): string {
  const size = `${count(characters)} characters, ${count(words)} words, about ${seconds} s`;
  const left = `${count(Math.floor(limits.credits_left))} credits left this month`;
  return `${size}: ${usd(cost.usd)} USD, ${cost.credits} credits (${left})`;
}

function usd(value: number): string {
  return value === 0 ? "0" : value.toFixed(4);
}
