/** Comments: re-wrapped at words where a line of them is too long. */

/** Wraps the paragraphs of a block of comment lines (each from `--` on) that have a line which would not fit. */
export function wrapComments(lines: string[], width: number): string[] {
  if (lines.every((line) => line.length <= width)) return lines;
  return paragraphs(lines).flatMap((paragraph) => {
    const fits = paragraph.every((line) => line.length <= width) || paragraph.some(isDrawn);
    return fits ? paragraph : wrap(paragraph, width);
  });
}

/** What belongs together: a line that is empty, or set in as a list or a picture is, begins anew. */
function paragraphs(lines: string[]): string[][] {
  const found: string[][] = [];
  for (const [at, line] of lines.entries()) {
    const before = lines[at - 1];
    const isNew = before === undefined || isDrawn(line) || isDrawn(before) || setIn(line) < 0 ||
      setIn(before) < 0 ||
      /^--\s*[-*] /.test(line) || setIn(line) !== setIn(before) && !/^--\s*[-*] /.test(before);
    if (isNew) found.push([line]);
    else found.at(-1)?.push(line);
  }
  return found;
}

/** Whether a line is part of a picture or a table, which only its author can set anew. */
function isDrawn(line: string): boolean {
  return /[\u2190-\u21ff\u2500-\u25ff]|\S {3,}\S/.test(line);
}

/** How far the words of a comment are set in; -1 if it has none. */
function setIn(line: string): number {
  return line.replace(/^--/, "").search(/\S/);
}

function wrap(lines: string[], width: number): string[] {
  const [first = "", second] = lines;
  const lead = /^--\s*(?:[-*] )?/.exec(first)?.[0] ?? "-- ";
  const rest = second === undefined
    ? `--${" ".repeat(lead.length - 2)}`
    : `--${" ".repeat(setIn(second))}`;
  const words = lines.flatMap((line) => line.replace(/^--/, "").trim().split(/\s+/));
  if (/^--\s+[-*] $/.test(lead)) words.shift();
  return fill(words, width, lead, rest);
}

/** Puts words on lines, as many on each as fit. */
export function fill(words: string[], width: number, lead: string, rest = lead): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    if (line === "") line = (lines.length === 0 ? lead : rest) + word;
    else if (line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = rest + word;
    }
  }
  return [...lines, line];
}
