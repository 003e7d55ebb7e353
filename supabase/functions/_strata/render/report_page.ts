/** The report as a page of its own: no script, no address of anybody else's, a drawing of how full each tier is. */
import { percent, size } from "./amounts.ts";
import { type Document, escapeHtml, toHtml } from "./document.ts";
import type { Report } from "../protocol/strata_reports.ts";

const MB = 1024 * 1024;
const [WIDTH, LEFT, BAR, ROW] = [640, 90, 360, 34];
const COLOURS = { ok: "#2e7d4f", warning: "#b8860b", critical: "#b3261e" } as const;
const STYLE = `:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}
th,td{padding:.2rem .8rem .2rem 0;text-align:right;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left}
code{background:#8882;padding:0 .25rem}
p,li{white-space:pre-line}
svg{width:100%;height:auto}
svg text{fill:currentColor;font:13px system-ui,sans-serif}`;

/** A whole page of HTML. */
export function reportPage(report: Report, document: Document): string {
  const title = report.kind === "day"
    ? `Strata, ${report.made_at.slice(0, 10)}`
    : `Strata in ${report.month}`;
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title>`,
    `<style>${STYLE}</style>`,
    "</head>",
    "<body>",
    chart(report),
    toHtml(document),
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

/** A bar for each tier that has said how full it is: used of its capacity, its warning as a line. */
function chart({ tiers }: Report): string {
  const rows = tiers.flatMap(({ tier, part }) =>
    part?.size === undefined ? [] : [{ tier, room: part.size }]
  );
  if (rows.length === 0) return "";
  const bars = rows.map(({ tier, room }, at) => {
    const capacity = room.capacity_mb * MB;
    const across = (bytes: number) => Math.min(BAR, Math.max(0, bytes / capacity * BAR)).toFixed(1);
    const warn = LEFT + Number(across(room.warn_mb * MB));
    const y = at * ROW + 8;
    const says = `${size(room.billed_bytes)} of ${size(capacity)} (${
      percent(room.billed_bytes, String(capacity))
    })`;
    return [
      `<text x="0" y="${y + 15}">${escapeHtml(tier)}</text>`,
      `<rect x="${LEFT}" y="${y}" width="${BAR}" height="20" fill="#8883"/>`,
      `<rect x="${LEFT}" y="${y}" width="${across(Number(room.billed_bytes))}" height="20" fill="${
        COLOURS[room.level]
      }"/>`,
      `<line x1="${warn}" x2="${warn}" y1="${y - 3}" y2="${y + 23}" stroke="currentColor"/>`,
      `<text x="${LEFT + BAR + 10}" y="${y + 15}">${escapeHtml(says)}</text>`,
    ].join("");
  });
  const height = rows.length * ROW + 8;
  return `<svg role="img" aria-label="How full each tier is" viewBox="0 0 ${WIDTH} ${height}" ` +
    `xmlns="http://www.w3.org/2000/svg">${bars.join("")}</svg>`;
}
