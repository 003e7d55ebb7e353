/**
 * Cuts a message in Telegram's HTML into parts that are each in order: no tag and no character
 * reference is cut, what is open at a cut is closed there and opened again in the next part, and a pair
 * of surrogates stays together. It is cut after a line that ends in the second half of the part, else
 * after such a word, else anywhere.
 */

/** The most UTF-16 units of one Telegram message. */
export const LONGEST_MESSAGE = 4096;

/** A tag, a character reference, or one character: what cannot be cut. */
const ATOM = /<\/?[a-z][^<>]*>|&(?:[a-z]+|#\d+|#x[0-9a-f]+);|[\s\S]/giu;

interface Part {
  text: string;
  /** The tags that are open at its end, outermost first. */
  open: string[];
}

/** The parts, none longer than `limit` UTF-16 units, tags and all. */
export function splitHtml(html: string, limit = LONGEST_MESSAGE): string[] {
  const parts: string[] = [];
  let part: Part = { text: "", open: [] };
  let line: Part | undefined; // where this part could end after a line
  let word: Part | undefined; // … or after a word

  const begin = (open: readonly string[]): Part => ({ text: open.join(""), open: [...open] });
  const finish = ({ text, open }: Part) => {
    const whole = (text + closing(open)).trim();
    if (isSomething(whole)) parts.push(whole);
  };
  /** Ends the part at the best place before here; what came after that place begins the next one. */
  const cut = () => {
    const at = [line, word].find((one) => one !== undefined && one.text.length > limit / 2) ?? part;
    const rest = part.text.slice(at.text.length);
    finish(at);
    part = { text: begin(at.open).text + rest, open: part.open };
    line = word = undefined;
  };

  for (const [atom] of html.matchAll(ATOM)) {
    const open = opened(part.open, atom);
    if (part.text.length + atom.length + closing(open).length > limit) cut();
    part.text += atom;
    part.open = open;
    if (atom === "\n") line = { text: part.text, open: [...open] };
    if (atom === "\n" || atom === " ") word = { text: part.text, open: [...open] };
  }
  finish(part);
  return parts;
}

function opened(open: readonly string[], atom: string): string[] {
  if (atom.length < 3 || !atom.startsWith("<")) return [...open];
  return atom.startsWith("</") ? open.slice(0, -1) : [...open, atom];
}

function closing(open: readonly string[]): string {
  return open.map((tag) => `</${/^<([a-z]+)/i.exec(tag)?.[1] ?? ""}>`).toReversed().join("");
}

/** Telegram refuses a message of which nothing is left without its tags. */
function isSomething(html: string): boolean {
  return html.replaceAll(/<[^<>]*>/g, "").trim() !== "";
}
