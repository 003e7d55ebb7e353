/** What somebody may have meant: the known word that is a slip of the keyboard away. */
import { closestString, levenshteinDistance } from "@std/text";

/** The known word nearest to what was written, if it is near enough to be a slip. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const near = closestString(written, [...known]);
  const slips = levenshteinDistance(written.toLowerCase(), near.toLowerCase());
  return slips <= Math.max(2, near.length / 3) ? near : undefined;
}
