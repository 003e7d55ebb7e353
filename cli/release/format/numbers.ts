/**
 * Numbered arguments: format('… %I … %L …', a, b) becomes format('… %1$I … %2$L …', a, b), and a name that is given twice
 * is given once.
 */
import { isPlainString, type Token, tokensOf } from "./lexer.ts";
import { runsOf } from "./literals.ts";
import { said } from "./proof.ts";
import { type Place, placesOf, word } from "./shape.ts";

/** A call of format(), and what it is given. */
interface Call {
  name: Token;
  end: Token;
  /** The strings in its text, and whether its text is one string. */
  template: Token[];
  isPlain: boolean;
  /** The tokens of each argument, and the comma before it. */
  given: Token[][];
  commas: Token[];
}

interface Source {
  code: Token[];
  calls: Map<Token, Call>;
}

const SPECIFIER = /%(?:(\d+)\$)?(-?\d*)([sIL%])/g;

/** The text with the arguments of each format() numbered that has several. Throws if it would say anything else. */
export function numberArguments(text: string): string {
  const result = numbered(text);
  const [before, after] = [expanded(text), expanded(result)];
  const at = before.findIndex((one, n) => one !== after[n]);
  if (at >= 0 || before.length !== after.length) {
    throw new Error(`not numbered: ${before[at]} would become ${after[at]}`);
  }
  if (said(text).comments.join(" ") !== said(result).comments.join(" ")) {
    throw new Error("not numbered: a comment would be lost");
  }
  return result;
}

/** The lines with a format() that is given several things, and does not number them; in SQL within strings as well. */
export function unnumberedLines(text: string): number[] {
  const { code, calls } = sourceOf(text);
  const found = [...calls.values()].filter((call) => !isNumbered(call)).map(({ name }) => name);
  const inside = runsOf(code).filter((run) => {
    const says = run.map(({ text }) => text.replace(/^[eE]?'|'$/g, "").replaceAll("''", "'")).join(
      "",
    );
    return says.includes("format('") && unnumberedLines(says.replaceAll("%%", "%")).length > 0;
  });
  return [...found, ...inside.flatMap(([first]) => first ?? [])].map(({ line }) => line + 1);
}

function numbered(text: string): string {
  const edits: [number, number, string][] = [];
  for (const call of sourceOf(text).calls.values()) {
    const isSure = call.isPlain && specifiers(call).length === call.given.length &&
      specifiers(call).every(([, number]) => number === undefined);
    if (isNumbered(call) || !isSure) continue;
    const { numbers, dropped } = merged(call, text);
    let at = 0;
    for (const { at: from, text } of call.template) {
      const by = text.replace(SPECIFIER, (all, _, width, kind) => {
        return kind === "%" ? all : `%${numbers[at++]}$${width}${kind}`;
      });
      edits.push([from, from + text.length, by]);
    }
    for (const n of dropped) {
      const [comma, last] = [call.commas[n], call.given[n]?.at(-1)];
      if (comma && last) edits.push([comma.at, last.at + last.text.length, ""]);
    }
  }
  edits.sort(([one], [other]) => other - one);
  return edits.reduce((all, [from, to, by]) => all.slice(0, from) + by + all.slice(to), text);
}

function specifiers({ template }: Call) {
  const text = template.map(({ text }) => text).join("");
  return [...text.matchAll(SPECIFIER)].filter(([, , , kind]) => kind !== "%");
}

function isNumbered(call: Call): boolean {
  return call.given.length < 2 || specifiers(call).every(([, number]) => number !== undefined);
}

/** The number of each specifier, where names that are given again have the number they had; and which are given again. */
function merged({ given, name, end }: Call, text: string) {
  const known: string[] = [];
  const numbers: number[] = [];
  const dropped: number[] = [];
  const hasComments = text.slice(name.at, end.at).includes("--");
  for (const [n, tokens] of given.entries()) {
    const says = tokens.map(({ text }) => text).join("");
    const isName = !hasComments && /^[a-z_]\w*(?:\.[a-z_]\w*)*$/i.test(says);
    const before = isName ? known.indexOf(says) : -1;
    if (before >= 0) dropped.push(n);
    else known.push(says);
    numbers.push(before >= 0 ? before + 1 : known.length);
  }
  return { numbers, dropped };
}

/** What is said, with what each format() is given written where it goes. */
function expanded(text: string): string[] {
  const { code, calls } = sourceOf(text);
  return expand(code, calls);
}

function expand(code: Token[], calls: Source["calls"]): string[] {
  const result: string[] = [];
  for (let at = 0; at < code.length; at++) {
    const token = code[at];
    const call = token && calls.get(token);
    if (token && !call?.isPlain) result.push(token.text);
    if (call?.isPlain) {
      const given = call.given.map((tokens) => expand(tokens, calls).join(" "));
      let n = 0;
      const template = call.template.map(({ text }) => text).join(" ");
      result.push(template.replace(SPECIFIER, (all, number, width, kind) => {
        return kind === "%" ? all : `%${width}${kind}{${given[Number(number ?? ++n) - 1]}}`;
      }));
      at = code.indexOf(call.end, at);
    }
  }
  return result;
}

function sourceOf(text: string): Source {
  const tokens = tokensOf(text);
  const places = placesOf(tokens);
  const code = tokens.filter(({ kind }) => kind !== "comment");
  const calls: Source["calls"] = new Map();
  for (const [at, token] of code.entries()) {
    const isCall = word(token) === "format" && code[at + 1]?.text === "(";
    const call = isCall ? callOf(at, code, places) : undefined;
    if (call) calls.set(token, call);
  }
  return { code, calls };
}

function callOf(at: number, code: Token[], places: Map<Token, Place>): Call | undefined {
  const [name, open] = code.slice(at, at + 2);
  const items: Token[][] = [[]];
  const commas: Token[] = [];
  for (let to = at + 2; to < code.length; to++) {
    const token = code[to];
    if (name === undefined || token === undefined) break;
    const place = places.get(token);
    if (place?.closes && place.closes.open === open) {
      const [template = [], ...given] = items;
      const strings = template.filter(isPlainString);
      const isPlain = strings.length > 0 && strings.length === template.length;
      return { name, end: token, template: strings, isPlain, given, commas };
    }
    if (token.text === "," && place?.group.open === open) {
      commas.push(token);
      items.push([]);
    } else items.at(-1)?.push(token);
  }
  return undefined;
}
