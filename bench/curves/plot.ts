/** Draws a curve of measurements as SVG, both axes logarithmic, readable on light and on dark paper. */

/** What is drawn. */
export interface Plot {
  title: string;
  /** What the axes say, with their units. */
  x: string;
  y: string;
  lines: readonly { name: string; points: readonly (readonly [x: number, y: number])[] }[];
}

const [WIDTH, HEIGHT] = [760, 440];
const PAPER = { left: 70, right: 570, top: 48, bottom: 380 };
const LABEL_HEIGHT = 17;
/** Told apart without colours as well: by their dashes, and by the name at their end. */
const INKS = ["#2f81f7", "#e5534b", "#2da44e", "#b07cf0", "#c98a1b", "#8b949e"];
const DASHES = ["", "7 4", "2 3", "9 3 2 3", "4 4", "1 2"];

/** One scale: powers of ten around the values. */
interface Scale {
  ticks: number[];
  at(value: number): number;
}

/** The plot as the text of an SVG file. */
export function drawPlot({ title, x, y, lines }: Plot): string {
  const points = lines.flatMap((line) => line.points);
  const across = scale(points.map(([at]) => at), PAPER.left, PAPER.right);
  const up = scale(points.map(([, value]) => value), PAPER.bottom, PAPER.top);
  const labels = apart(lines.map(({ points }) => up.at(points.at(-1)?.[1] ?? 1)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">
<title>${escape(title)}</title>
<style>
  text { font: 13px system-ui, sans-serif; fill: #444; }
  .title { font-size: 15px; font-weight: 600; }
  .grid { stroke: #888; stroke-opacity: 0.3; }
  @media (prefers-color-scheme: dark) { text { fill: #ccc; } }
</style>
<text class="title" x="${PAPER.left}" y="24">${escape(title)}</text>
${across.ticks.map((tick) => vertical(across.at(tick), tick)).join("\n")}
${up.ticks.map((tick) => horizontal(up.at(tick), tick)).join("\n")}
<text x="${(PAPER.left + PAPER.right) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${
    escape(x)
  }</text>
<text transform="translate(18 ${
    (PAPER.top + PAPER.bottom) / 2
  }) rotate(-90)" text-anchor="middle">${escape(y)}</text>
${
    lines.map((line, at) => {
      const drawn = line.points.map(([x, y]): [number, number] => [across.at(x), up.at(y)]);
      return curve(drawn, at) + name(line.name, labels[at] ?? 0, at);
    }).join("\n")
  }
</svg>
`;
}

function scale(values: number[], from: number, to: number): Scale {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  const lowest = Math.floor(Math.min(...logs));
  const highest = Math.max(Math.ceil(Math.max(...logs)), lowest + 1);
  return {
    ticks: Array.from({ length: highest - lowest + 1 }, (_, at) => 10 ** (lowest + at)),
    at: (value) =>
      Math.round(10 * (from + (to - from) * (Math.log10(value) - lowest) / (highest - lowest))) /
      10,
  };
}

function vertical(x: number, tick: number): string {
  return `<line class="grid" x1="${x}" x2="${x}" y1="${PAPER.top}" y2="${PAPER.bottom}"/>` +
    `<text x="${x}" y="${PAPER.bottom + 20}" text-anchor="middle">${number(tick)}</text>`;
}

function horizontal(y: number, tick: number): string {
  return `<line class="grid" x1="${PAPER.left}" x2="${PAPER.right}" y1="${y}" y2="${y}"/>` +
    `<text x="${PAPER.left - 8}" y="${y + 4}" text-anchor="end">${number(tick)}</text>`;
}

function curve(points: [number, number][], at: number): string {
  const ink = INKS[at % INKS.length];
  const path = points.map(([x, y]) => `${x},${y}`).join(" ");
  return `<polyline points="${path}" fill="none" stroke="${ink}" stroke-width="2" ` +
    `stroke-dasharray="${DASHES[at % DASHES.length]}"/>` +
    points.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3.5" fill="${ink}"/>`).join("");
}

function name(text: string, y: number, at: number): string {
  return `<text x="${PAPER.right + 10}" y="${y + 4}" style="fill:${INKS[at % INKS.length]}">${
    escape(text)
  }</text>`;
}

/** The wanted heights, moved so far apart that the names at them can be read. */
function apart(wanted: number[]): number[] {
  const order = wanted.map((y, at) => ({ y, at })).sort((a, b) => a.y - b.y);
  let next = -Infinity;
  for (const label of order) {
    label.y = Math.max(label.y, next);
    next = label.y + LABEL_HEIGHT;
  }
  return order.sort((a, b) => a.at - b.at).map(({ y }) => y);
}

function number(tick: number): string {
  return tick.toLocaleString("en", { maximumFractionDigits: 6 });
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
