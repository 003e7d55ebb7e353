import assert from "node:assert/strict";
import { readMajors, StackError } from "../../local/settings.ts";

Deno.test("one version is meant for every tier, three for core, main and archive", () => {
  assert.deepEqual(readMajors(""), {});
  assert.deepEqual(readMajors("17"), { core: 17, main: 17, archive: 17 });
  assert.deepEqual(readMajors("15, 17,18"), { core: 15, main: 17, archive: 18 });
});

for (const text of ["14", "17.2", "15,17", "15,17,18,18", "seventeen", "17,,18", " "]) {
  Deno.test(`"${text}" names no versions of PostgreSQL`, () => {
    assert.throws(
      () => readMajors(text),
      (error: unknown) => error instanceof StackError && error.message.includes(`"${text}"`),
    );
  });
}
