/** Markdown of the reference: what the catalogue and tables say is told as text, never read as markup. */
import { markdownTable } from "markdown-table";
import { escapeMarkdown } from "../../supabase/functions/_strata/render/document.ts";

/**
 * What reads as code in a sentence: what stands between backticks, statements, names of schema strata,
 * names with an underscore, calls.
 */
const CODE = new RegExp(
  [
    /`[^`]+`/,
    /\balter (?:table|type|database|role) [^;]*;/,
    /\bdeno task strata [\w-]+(?: --[\w-]+)*/,
    /\bsetup(?: --[\w-]+)+/,
    /\bupdate strata\.\w+ set [^.;:]*/,
    /\b(?:select |select [\w., *]+ from )?strata\.\w+(?:\((?:[^()]|\([^()]*\))*\);?)?/,
    /(?:\b\w+\.)?[\w*]*_[\w*]*(?:\([^()]*\))?/,
    /\b[a-z]\w+\(\)/,
  ].map(({ source }) => source).join("|"),
  "g",
);

/** One of our errors in a sentence. */
const OURS = /\bST\d{3}\b/g;

/** A sentence of the database as Markdown: code as code, our errors as links. */
export function prose(text: string): string {
  let done = 0;
  const parts: string[] = [];
  for (const found of text.matchAll(CODE)) {
    parts.push(plain(text.slice(done, found.index)), code(found[0].replaceAll("`", "")));
    done = found.index + found[0].length;
  }
  return [...parts, plain(text.slice(done))].join("");
}

function plain(text: string): string {
  return escapeMarkdown(text).replaceAll(OURS, (error) => `[${error}](errors.md#${anchor(error)})`);
}

const STATEMENT =
  /^(select (.* from )?strata[.]|update strata[.]|alter (table|type|database|role) )/;

/** A sentence that begins large and ends with a full stop, as it is written where it stands alone. */
export function sentence(text: string): string {
  const whole = /[.;:]$/.test(text) ? text : `${text}.`;
  const isWord = /^[a-z]+[ ,:;]/.test(whole) && !STATEMENT.test(whole);
  return prose(isWord ? whole.charAt(0).toUpperCase() + whole.slice(1) : whole);
}

/** Something to be typed as it stands. */
export function code(text: string): string {
  return "`" + text + "`";
}

/** What a link to a heading ends with. */
export function anchor(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-");
}

/** A block that is shown as it stands. */
export function fence(language: string, text: string): string {
  return "```" + language + "\n" + text + "\n```";
}

/** A table of cells that are Markdown already; `deno fmt` lines its columns up. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [titles, ...rows].map((row) =>
    row.map((cell) => cell.replaceAll(/(?<!\\)\|/g, "\\|"))
  );
  return markdownTable(cells, { alignDelimiters: false });
}
