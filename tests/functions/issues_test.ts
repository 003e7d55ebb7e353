import { assertEquals } from "@std/assert";
import { z } from "zod";
import { describeIssues } from "../../supabase/functions/_strata/http/issues.ts";

const Body = z.strictObject({
  limit: z.int().min(1).max(100),
  age: z.number().gte(-1).optional(),
  name: z.string().min(2).max(3).optional(),
  kind: z.enum(["day", "month"]).optional(),
  list: z.array(z.strictObject({ at: z.iso.datetime() })).max(1).optional(),
});

const SAID: [unknown, string][] = [
  [{ limit: 0 }, '"limit" must be at least 1.'],
  [{ limit: 101 }, '"limit" must be at most 100.'],
  [{ limit: 1.5 }, '"limit" must be a whole number.'],
  [{}, '"limit" is missing.'],
  [{ limit: 1, age: -2 }, '"age" must be at least -1.'],
  [{ limit: 1, name: "x" }, '"name" must have at least 2 characters.'],
  [{ limit: 1, name: "long" }, '"name" must have at most 3 characters.'],
  [{ limit: 1, kind: "year" }, '"kind" must be "day" or "month".'],
  [{ limit: 1, list: [{ at: "now" }] }, '"list.0.at" is not written as it must be (datetime).'],
  [{ limit: 1, colour: "red" }, 'Leave out "colour": it is not known here.'],
  [[], "It must be an object."],
];

for (const [given, says] of SAID) {
  Deno.test(`what is wrong with ${JSON.stringify(given)} is said in words`, () => {
    const { error } = Body.safeParse(given);
    assertEquals(error === undefined ? "" : describeIssues(error), says);
  });
}
