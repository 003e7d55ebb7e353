/** What is wrong with something from outside, in words of who sent it: where, and what belongs there. */
import type { z } from "zod";

/** Longer than any message that anybody reads. */
const LONGEST = 1_000;

/** Everything that is wrong, one sentence each. */
export function describeIssues(error: z.ZodError): string {
  return error.issues.map((issue) => sentence(issue)).join(" ").slice(0, LONGEST);
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => `"${key}"`).join(", ");
    return `Leave out ${names}${
      issue.path.length === 0 ? "" : ` of ${where(issue)}`
    }: it is not known here.`;
  }
  return `${where(issue)} ${wanted(issue)}.`;
}

/** "limit", "tasks.0.title", or all of it. */
function where({ path }: z.core.$ZodIssue): string {
  return path.length === 0 ? "It" : `"${path.map(String).join(".")}"`;
}

function wanted(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return /received undefined$/.test(issue.message)
        ? "is missing"
        : `must be ${kind(issue.expected)}`;
    case "too_small":
      return `must ${bound(issue.origin, "at least", Number(issue.minimum), issue.inclusive)}`;
    case "too_big":
      return `must ${bound(issue.origin, "at most", Number(issue.maximum), issue.inclusive)}`;
    case "invalid_value":
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    case "invalid_format":
      return `is not written as it must be (${issue.format})`;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    case "invalid_union":
      return issue.discriminator === undefined
        ? "is of no form that is known here"
        : "is none that is known here";
    default:
      return /^(is|must|has|needs) /.test(issue.message)
        ? issue.message
        : `is wrong: ${issue.message}`;
  }
}

function kind(expected: string): string {
  const names: Readonly<Record<string, string>> = {
    int: "a whole number",
    number: "a number",
    string: "a text",
    boolean: "true or false",
    object: "an object",
    array: "a list",
    record: "an object",
  };
  return names[expected] ?? expected;
}

function bound(origin: string, limit: string, value: number, inclusive = true): string {
  const than = inclusive ? limit : limit === "at least" ? "more than" : "less than";
  if (origin === "string") {
    return `have ${than} ${value} ${value === 1 ? "character" : "characters"}`;
  }
  if (origin === "array" || origin === "set") {
    return `have ${than} ${value} ${value === 1 ? "entry" : "entries"}`;
  }
  return `be ${than} ${value}`;
}
