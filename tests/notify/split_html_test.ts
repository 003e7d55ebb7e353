import assert from "node:assert/strict";
import { splitHtml } from "../../supabase/functions/_strata/outbound/split_html.ts";
import { parseHtml } from "../support/telegram.ts";

/** What is left of parts when tags and the blanks around the cuts are taken away. */
function textOf(html: string): string {
  return html.replaceAll(/<[^<>]*>/g, "").replaceAll(/\s+/g, "");
}

/** Every part is in order by itself, short enough, and together they say what was said. */
function check(html: string, limit: number): string[] {
  const parts = splitHtml(html, limit);
  for (const part of parts) {
    assert.ok(part.length <= limit, `${part.length} > ${limit}`);
    const parsed = parseHtml(part);
    assert.ok("text" in parsed, JSON.stringify(parsed));
    assert.ok(parsed.text.trim() !== "" && part.isWellFormed());
  }
  assert.equal(textOf(parts.join("")), textOf(html));
  return parts;
}

Deno.test("splitHtml() leaves alone what fits, to the last unit", () => {
  const html = `<b>${"x".repeat(4096 - 7)}</b>`;
  assert.deepEqual(splitHtml(html), [html]);
  assert.equal(check(`<b>${"x".repeat(4096 - 6)}</b>`, 4096).length, 2);
  assert.deepEqual(splitHtml(""), []);
  assert.deepEqual(splitHtml("<b> </b>\n"), []);
});

Deno.test("splitHtml() cuts after a line, else after a word, else anywhere", () => {
  assert.deepEqual(check("aaaa bbbb\ncccc dddd eeee", 14), ["aaaa bbbb", "cccc dddd eeee"]);
  assert.deepEqual(check("aaaa bbbb cccc dddd", 12), ["aaaa bbbb", "cccc dddd"]);
  assert.deepEqual(check("x".repeat(25), 10), ["x".repeat(10), "x".repeat(10), "x".repeat(5)]);
  assert.deepEqual(check(`a ${"x".repeat(15)}`, 10), [`a ${"x".repeat(8)}`, "x".repeat(7)]);
});

Deno.test("splitHtml() closes at a cut what is open and opens it again", () => {
  assert.deepEqual(check("<b>one <i>two three</i></b>", 22), [
    "<b>one <i>two </i></b>",
    "<b><i>three</i></b>",
  ]);
});

Deno.test("splitHtml() cuts neither references nor pairs of surrogates", () => {
  assert.deepEqual(check("&lt;&gt;&amp;&lt;&gt;", 9), ["&lt;&gt;", "&amp;&lt;", "&gt;"]);
  assert.deepEqual(check("😀😀😀", 5), ["😀😀", "😀"]);
});

Deno.test("splitHtml() keeps its promises on texts of every kind", () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const atoms = [
    "a",
    "word ",
    "\n",
    "&amp;",
    "&lt;",
    "😀",
    "long".repeat(9),
    "<b>",
    "<pre>",
    "<i>",
  ];
  for (let round = 0; round < 300; round++) {
    const open: string[] = [];
    let html = "";
    for (let at = 0; at < 40 + random(200); at++) {
      if (open.length > 0 && random(5) === 0) html += `</${open.pop()}>`;
      const atom = atoms[random(atoms.length)] ?? "";
      const tag = /^<(\w+)>$/.exec(atom)?.[1];
      if (tag !== undefined && open.length >= 3) continue;
      if (tag !== undefined) open.push(tag);
      html += atom;
    }
    html += `x${open.toReversed().map((tag) => `</${tag}>`).join("")}`;
    check(html, 60 + random(100));
  }
});
