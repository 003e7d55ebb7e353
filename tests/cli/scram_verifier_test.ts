import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import postgres from "postgres";
import { scramVerifier } from "../../cli/lib/scram.ts";
import { databaseUrl } from "../support/template.ts";
import { sharedSession } from "../support/session.ts";

Deno.test("scramVerifier() computes the keys of RFC 7677's example", async () => {
  const salt = Uint8Array.fromBase64("W22ZaJ0SNY7soEsUEjb6gQ==");
  const verifier = await scramVerifier("pencil", { salt, iterations: 4096 });
  const [, , , serverKey = ""] = verifier.split(/[$:]/).slice(1);
  const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const exchange = [
    "n=user,r=rOprNGfwEbeRWgbNEkqO",
    `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
    `c=biws,r=${nonce}`,
  ].join(",");
  const signature = createHmac("sha256", Uint8Array.fromBase64(serverKey)).update(exchange);
  assert.equal(signature.digest("base64"), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
});

Deno.test("a role given a verifier logs in with the password, and with no other", async () => {
  await using sql = await sharedSession();
  const verifier = await scramVerifier("pencil and pâper");
  await sql.unsafe(`create role scram_test login password '${verifier}'`);
  const url = new URL(await databaseUrl("core", "postgres"));
  const login = async (password: string) => {
    const { hostname: host, port } = url;
    const session = postgres({
      ...{ host, port: Number(port), database: "postgres", username: "scram_test" },
      ...{ password, max: 1 },
    });
    return await session`select current_user as name`.finally(() => session.end());
  };
  try {
    assert.equal((await login("pencil and pâper"))[0]?.name, "scram_test");
    await assert.rejects(login("pencil and paper"), { code: "28P01" });
  } finally {
    await sql`drop role scram_test`;
  }
});
