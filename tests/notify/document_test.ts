import assert from "node:assert/strict";
import {
  type Document,
  toHtml,
  toMarkdown,
  toPlain,
  toTelegram,
} from "../../supabase/functions/_strata/render/document.ts";
import { HOSTILE_TEXTS } from "../support/bad_input.ts";
import { parseHtml } from "../support/telegram.ts";

const DOCUMENT: Document = [
  { heading: ["Sizes & more"] },
  { paragraph: [{ bold: "core" }, " is ", { italic: "full" }, ": run ", { code: "a `b` <c>" }] },
  { list: [["one"], [{ bold: "two" }]] },
  { table: ["tier", "MB"], rows: [["core", "7"], ["archive", "1,234"]] },
];

Deno.test("a document in all its forms", () => {
  assert.equal(
    toTelegram(DOCUMENT),
    "<b>Sizes &amp; more</b>\n\n" +
      "<b>core</b> is <i>full</i>: run <code>a `b` &lt;c&gt;</code>\n\n" +
      "• one\n• <b>two</b>\n\n" +
      "<pre>tier        MB\ncore         7\narchive  1,234</pre>",
  );
  assert.equal(
    toMarkdown(DOCUMENT),
    "## Sizes &amp; more\n\n**core** is *full*: run `` a `b` <c> ``\n\n- one\n- **two**\n\n" +
      "| tier | MB |\n| - | - |\n| core | 7 |\n| archive | 1,234 |\n",
  );
  assert.equal(
    toHtml(DOCUMENT),
    "<h2>Sizes &amp; more</h2>\n" +
      "<p><b>core</b> is <i>full</i>: run <code>a `b` &lt;c&gt;</code></p>\n" +
      "<ul><li>one</li><li><b>two</b></li></ul>\n" +
      "<table><thead><tr><th>tier</th><th>MB</th></tr></thead><tbody>" +
      "<tr><td>core</td><td>7</td></tr><tr><td>archive</td><td>1,234</td></tr></tbody></table>",
  );
  assert.match(toPlain(DOCUMENT), /^Sizes & more\n\ncore is full: run a `b` <c>\n\n• one/);
});

Deno.test("columns stand below each other, whatever width letters have", () => {
  const rows = [["日本", "7"], ["e\u0301tat", "12"], ["👍🏽", "1"], ["plain", "3"]];
  assert.equal(
    toPlain([{ table: ["tier", "MB"], rows }]),
    "tier   MB\n日本    7\ne\u0301tat   12\n👍🏽      1\nplain   3",
  );
});

for (const text of [...HOSTILE_TEXTS, "| a | b |\n# x\n- y", "```\nx\n```", "[x](javascript:1)"]) {
  Deno.test(`a document keeps ${JSON.stringify(text)} a text`, () => {
    const inlines = [text, { bold: text }, { italic: text }, { code: text }];
    const document: Document = [
      { heading: inlines },
      { paragraph: inlines },
      { list: [inlines] },
      { table: [text], rows: [[text]] },
    ];
    const telegram = parseHtml(toTelegram(document));
    assert.ok("text" in telegram, JSON.stringify(telegram));
    const tags = [...toHtml(document).matchAll(/<\/?([^\s<>]+)/g)].map(([, tag]) => tag);
    const known = "h2 p b i code ul li table thead tbody tr th td".split(" ");
    assert.deepEqual(tags.filter((tag) => !known.includes(tag ?? "")), []);
    const markdown = toMarkdown(document);
    assert.ok(
      !/(?<!\\)<(?!.*`)|(?<!\\)\]\(/.test(markdown.replaceAll(/(`+) ?.*? ?\1(?!`)/g, "")),
      markdown,
    );
    assert.equal(markdown.split("\n").length, 10, markdown);
  });
}
