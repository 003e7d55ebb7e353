/** Colour on a terminal, for what is read at a glance: what is wrong, what is well, what to do. */
import { bold, cyan, green, red } from "@std/fmt/colors";

type Write = (text: string) => void;

/** Writes in colour where somebody looks who has not asked for none (NO_COLOR). */
export function painted(write: Write, stream: { isTerminal(): boolean }, asJson: boolean): Write {
  const isPlain = asJson || !stream.isTerminal() || (Deno.env.get("NO_COLOR") ?? "") !== "" ||
    Deno.env.get("TERM") === "dumb";
  return isPlain ? write : (text) => write(paint(text));
}

/** The text with its signs in colour; nothing of it is added to or left out. */
export function paint(text: string): string {
  return text.split("\n").map((line) => {
    const at = line.search(/\S/);
    const [indent, rest] = [line.slice(0, Math.max(at, 0)), line.slice(Math.max(at, 0))];
    if (rest.startsWith("✗")) return indent + red("✗") + rest.slice(1);
    if (rest.startsWith("✓")) return indent + green("✓") + rest.slice(1);
    if (rest.startsWith("→")) return indent + cyan(rest);
    return /^(core|main|archive):/.test(rest) ? bold(line) : line;
  }).join("\n");
}
