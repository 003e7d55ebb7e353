/** Connection strings as they are pasted: read, or refused with a sentence that shows no password. */
import assert from "node:assert/strict";
import {
  hostedBy,
  projectOf,
  readAddress,
  shownAddress,
  whyNot,
  withPassword,
} from "../../cli/advise/address.ts";
import { Failure } from "../../cli/lib/errors.ts";
import { strata } from "../cli/support.ts";

const POOLER = "aws-0-eu-central-1.pooler.supabase.com";

Deno.test("readAddress() takes what can be dialled, however it is pasted", () => {
  for (
    const [given, read] of [
      ["postgres://u:p@h/db", "postgres://u:p@h/db"],
      [' "postgresql://u:p@h:5433/db" ', "postgresql://u:p@h:5433/db"],
      ["psql 'postgresql://u:p@h/db'", "postgresql://u:p@h/db"],
      ["postgresql://u:p@h", "postgresql://u:p@h/postgres"],
      ["postgresql://u:p@h/db?pgbouncer=true&connection_limit=1&schema=x", "postgresql://u:p@h/db"],
      ["postgresql://u:p@h/db?sslmode=verify-full", "postgresql://u:p@h/db?sslmode=verify-full"],
      [
        "postgresql://postgres:[YOUR-PASSWORD]@db.abcdefghijklmnopqrst.supabase.co:5432/postgres",
        "postgresql://postgres@db.abcdefghijklmnopqrst.supabase.co:5432/postgres",
      ],
      [
        `postgresql://postgres.abc:p@${POOLER}:5432/postgres`,
        `postgresql://postgres.abc:p@${POOLER}:5432/postgres`,
      ],
    ] as const
  ) assert.equal(readAddress(given, "It"), read);
});

Deno.test("readAddress() says what is wrong, and never the password", () => {
  for (
    const [given, says, remedy] of [
      ["", /^It is empty$/, /^Write it as postgresql:/],
      ["https://abc.supabase.co", /is a web address/, /Session pooler/],
      ["host=h user=u password=geheim", /is not the address of a database/, /^Write it as/],
      ["mysql://u:geheim@h/db", /is not the address of a database/, /^Write it as/],
      ["postgresql://u:ge/heim@h:5432/db", /cannot be read/, /%2F/],
      ["postgresql://u:ge#heim@h:5432/db", /cannot be read/, /%23/],
      ["postgresql://u:12#heim@h:5432/db", /cannot be read/, /%23/],
      ["postgresql://u:12/heim@h:5432/db", /cannot be read/, /%2F/],
      ["postgresql://u:12?geheim@h:5432/db", /cannot be read/, /%3F/],
      ["postgresql://u:ge%zzheim@h:5432/db", /cannot be read/, /%25/],
      ["postgresql://u:geheim@h:port/db", /cannot be read/, /the port is a number/],
      ["postgresql:///db", /names no (host|user)/, /^Write it as/],
      ["postgresql://h:5432/db", /names no user/, /^Write it as/],
    ] as const
  ) {
    assert.throws(() => readAddress(given, "It"), (error) => {
      assert.ok(error instanceof Failure, given);
      assert.match(error.message, says, given);
      assert.match(error.remedy, remedy, given);
      assert.doesNotMatch(error.message + error.remedy, /heim/);
      assert.equal(error.exitCode, 2);
      return true;
    });
  }
});

Deno.test("an address tells which project it is of, and is shown without its password", () => {
  const direct = "postgresql://postgres:x@db.abcdefghijklmnopqrst.supabase.co:5432/postgres";
  const pooled = `postgresql://postgres.abcdefghijklmnopqrst:x@${POOLER}:5432/postgres`;
  assert.deepEqual([hostedBy(direct), hostedBy(pooled), hostedBy("postgresql://u@h/d")], [
    "direct",
    "pooler",
    undefined,
  ]);
  assert.equal(projectOf(direct), projectOf(pooled));
  assert.equal(
    shownAddress(pooled),
    `postgresql://postgres.abcdefghijklmnopqrst@${POOLER}:5432/postgres`,
  );
  assert.equal(
    withPassword("postgresql://u@h/d", "a/b#c?d@e:f%"),
    "postgresql://u:a%2Fb%23c%3Fd%40e%3Af%25@h/d",
  );
});

Deno.test("a hosted project that cannot be reached is told by its way: IPv6 only, or not known to the pooler", () => {
  const coded = (code: string, message = "x") => Object.assign(new Error(message), { code });
  const direct = "postgresql://postgres:x@db.abcdefghijklmnopqrst.supabase.co:5432/postgres";
  for (const code of ["ENOTFOUND", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT"]) {
    const { message, remedy } = whyNot(coded(code), direct);
    assert.match(message, /over IPv6 only/);
    assert.match(remedy, /"Session pooler" \(port 5432\), which has IPv4/);
  }
  if (Deno.env.get("PGPASSWORD") === undefined) {
    assert.match(whyNot(coded("28P01"), "postgresql://u@h/d").message, /the address has none$/);
  }
  assert.equal(whyNot(coded("28P01"), direct).message, "the password is wrong");
  const pooled = `postgresql://postgres.abc:x@${POOLER}:5432/postgres`;
  assert.match(
    whyNot(coded("XX000", "Tenant or user not found"), pooled).message,
    /knows no such project/,
  );
  assert.doesNotMatch(whyNot(coded("ENOTFOUND"), "postgresql://u@h/d").message, /IPv6/);
});

Deno.test("advise says in a sentence why an address leads nowhere", async () => {
  for (
    const [url, says, code] of [
      ["postgresql://u:geheim@127.0.0.1:9/postgres", /^nothing answers there\n→ /, 1],
      ["postgresql://u:geheim@nowhere.invalid/postgres", /^there is no such host\n→ /, 1],
      [
        "postgresql://u:geheim@h.example.org/db?sslmode=require",
        /sslmode=require leaves open who answers/,
        2,
      ],
      ["postgresql://u:ge/heim@h/db", /^--db-url cannot be read/, 2],
      [
        `postgresql://postgres:geheim@${POOLER}/postgres`,
        /wants the project's name[^]*postgres\.<project>/,
        2,
      ],
    ] as const
  ) {
    const ran = await strata(["advise", "--db-url", url]);
    assert.match(ran.err, says);
    assert.deepEqual([ran.code, ran.out], [code, ""]);
    assert.doesNotMatch(ran.err, /heim/);
    const asJson = await strata(["advise", "--db-url", url, "--json"]);
    assert.ok(JSON.parse(asJson.out).error.says.length > 0);
  }
});
