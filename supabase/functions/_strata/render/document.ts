/**
 * What is told to people, before it has a form: blocks of text that Telegram's HTML, a web page's HTML,
 * Markdown and plain text are all made of. Everything that comes from a table is a text in here, so
 * that it is escaped in one place per form and never read as markup.
 */
import measure from "fast-string-truncated-width";
import { markdownTable } from "markdown-table";

/** A stretch of text, in one of four dresses. */
export type Inline = string | { bold: string } | { italic: string } | { code: string };

/** Some text on one line. */
export type Line = readonly Inline[];

/** A part of a document. */
export type Block =
  | { heading: Line }
  | { paragraph: Line }
  | { list: readonly Line[] }
  | { table: readonly string[]; rows: readonly (readonly string[])[] };

/** Something to be told. */
export type Document = readonly Block[];

/** As Telegram reads it in HTML mode: its few tags, a table as preformatted text. */
export function toTelegram(document: Document): string {
  return document.map((block) => {
    if ("heading" in block) return `<b>${block.heading.map(plainOf).map(escapeHtml).join("")}</b>`;
    if ("paragraph" in block) return block.paragraph.map(htmlOf).join("");
    if ("list" in block) {
      return block.list.map((line) => `• ${line.map(htmlOf).join("")}`).join("\n");
    }
    return `<pre>${escapeHtml(columns(block.table, block.rows))}</pre>`;
  }).join("\n\n");
}

/** A fragment of a web page. */
export function toHtml(document: Document): string {
  const cells = (tag: string, texts: readonly string[]) =>
    texts.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join("");
  return document.map((block) => {
    if ("heading" in block) return `<h2>${block.heading.map(htmlOf).join("")}</h2>`;
    if ("paragraph" in block) return `<p>${block.paragraph.map(htmlOf).join("")}</p>`;
    if ("list" in block) {
      return `<ul>${
        block.list.map((line) => `<li>${line.map(htmlOf).join("")}</li>`).join("")
      }</ul>`;
    }
    const rows = block.rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("");
    return `<table><thead><tr>${
      cells("th", block.table)
    }</tr></thead><tbody>${rows}</tbody></table>`;
  }).join("\n");
}

/** Markdown with tables. */
export function toMarkdown(document: Document): string {
  return document.map((block) => {
    if ("heading" in block) return `## ${block.heading.map(markdownOf).join("")}`;
    if ("paragraph" in block) return block.paragraph.map(markdownOf).join("");
    if ("list" in block) {
      return block.list.map((line) => `- ${line.map(markdownOf).join("")}`).join("\n");
    }
    const rows = [block.table, ...block.rows].map((row) => row.map(escapeMarkdown));
    return markdownTable(rows, { alignDelimiters: false });
  }).join("\n\n") + "\n";
}

/** Text alone. */
export function toPlain(document: Document): string {
  return document.map((block) => {
    if ("heading" in block) return block.heading.map(plainOf).join("");
    if ("paragraph" in block) return block.paragraph.map(plainOf).join("");
    if ("list" in block) {
      return block.list.map((line) => `• ${line.map(plainOf).join("")}`).join("\n");
    }
    return columns(block.table, block.rows);
  }).join("\n\n");
}

const INVISIBLE = /(?![\n\t])[\p{Cc}\p{Bidi_C}\u200b\u2028\u2029\ufeff]/gu;

/**
 * A text without what moves a terminal's cursor or turns letters around: some of it comes from other
 * tiers. Lines and tabs stay. What is replaced is nothing unless told otherwise.
 */
export function visible(text: string, instead: (character: string) => string = () => ""): string {
  return text.replaceAll(INVISIBLE, instead);
}

/** The three characters that HTML, and Telegram's idea of it, may not see in a text. */
export function escapeHtml(text: string): string {
  return visible(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Nothing of a text is markup afterwards, nor does it end its line. */
export function escapeMarkdown(text: string): string {
  return visible(text).replaceAll(/[\\`*_[\]#|~]/g, "\\$&").replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll(/\s*[\r\n]+\s*/g, " ");
}

function plainOf(inline: Inline): string {
  if (typeof inline === "string") return visible(inline);
  return visible("bold" in inline ? inline.bold : "italic" in inline ? inline.italic : inline.code);
}

function htmlOf(inline: Inline): string {
  const text = escapeHtml(plainOf(inline));
  if (typeof inline === "string") return text;
  const tag = "bold" in inline ? "b" : "italic" in inline ? "i" : "code";
  return `<${tag}>${text}</${tag}>`;
}

function markdownOf(inline: Inline): string {
  if (typeof inline === "string") return escapeMarkdown(inline);
  if ("bold" in inline) return `**${escapeMarkdown(inline.bold)}**`;
  if ("italic" in inline) return `*${escapeMarkdown(inline.italic)}*`;
  const text = visible(inline.code).replaceAll(/\s*[\r\n]+\s*/g, " ");
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return longest === 0 ? `${fence}${text}${fence}` : `${fence} ${text} ${fence}`;
}

/** A table in letters of one width: the first column on the left, the others on the right. */
function columns(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [titles, ...rows].map((row) =>
    row.map((cell) => visible(cell.replaceAll(/\s+/g, " ")))
  );
  const widths = titles.map((_, at) => Math.max(...lines.map((line) => width(line[at] ?? ""))));
  return lines.map((line) =>
    line.map((cell, at) => {
      const room = " ".repeat(Math.max(0, (widths[at] ?? 0) - width(cell)));
      return at === 0 ? cell + room : room + cell;
    }).join("  ").trimEnd()
  ).join("\n");
}

/** In letters of the common width: some are two wide, some none. */
function width(text: string): number {
  return measure(text).width;
}
