import { assertEquals, assertMatch } from "@std/assert";
import type { Sql } from "postgres";
import {
  isLoopback,
  isPrivate,
  keyObjection,
  keyWarning,
} from "../../supabase/functions/_strata/outbound/safe_address.ts";
import {
  dialling,
  UnsafeAddressError,
} from "../../supabase/functions/_strata/protocol/postgres_tls.ts";
import { testDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";

const LOOPBACK = ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"];
const ELSEWHERE = [
  ...["127.evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "::2"],
  ...["192.168.1.2", "main.example.org", "1270.0.0.1", "main.home"],
];

async function core() {
  const db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  return db;
}

interface Given {
  host?: string;
  sslmode?: string;
  ca?: string;
  because?: string;
}

function dialMain(sql: Sql, { host = "main.example.org", sslmode, ca, because }: Given = {}) {
  return sql`
    select strata.join_tier('main', 'push', p_host => ${host}, p_port => 5432, p_database => 'postgres',
      p_password => 'secret', p_sslmode => ${sslmode ?? null}, p_ca => ${ca ?? null},
      p_insecure_because => ${because ?? null}) as says`;
}

async function tlsOptions(sql: Sql): Promise<string[]> {
  const [row] = await sql<{ options: string[] }[]>`
    select srvoptions as options from pg_foreign_server where srvname = 'strata_main'`;
  return (row?.options ?? []).filter((option) => option.startsWith("ssl")).sort();
}

Deno.test("this machine is told from names that only begin like it, in SQL and here", async () => {
  await using db = await core();
  for (const [hosts, expected] of [[LOOPBACK, true], [ELSEWHERE, false]] as const) {
    for (const host of hosts) {
      const [row] = await db.sql`select strata.is_loopback(${host}) as found`;
      assertEquals([host, row?.found, isLoopback(host)], [host, expected, expected]);
    }
  }
  const [mixed] = await db.sql`select strata.is_loopback('localhost,main.example.org') as found`;
  assertEquals(mixed?.found, false);
});

Deno.test("a link is dialled with verify-full and TLS 1.3, save on this machine", async () => {
  await using db = await core();
  await dialMain(db.sql);
  const strict = ["ssl_min_protocol_version=TLSv1.3", "sslmode=verify-full"];
  assertEquals(await tlsOptions(db.sql), strict);
  await dialMain(db.sql, { ca: "/etc/strata/ca.crt" });
  assertEquals(await tlsOptions(db.sql), [...strict, "sslrootcert=/etc/strata/ca.crt"]);
  await dialMain(db.sql, { ca: "system" });
  assertEquals(await tlsOptions(db.sql), [...strict, "sslrootcert=system"]);
  await dialMain(db.sql, { host: "127.0.0.1" });
  assertEquals(await tlsOptions(db.sql), ["sslmode=prefer"]);
  await dialMain(db.sql, { host: "127.0.0.1", sslmode: "require" });
  assertEquals(await tlsOptions(db.sql), ["ssl_min_protocol_version=TLSv1.3", "sslmode=require"]);
});

Deno.test("join_tier() refuses less than verify-full without a reason, and changes nothing", async () => {
  await using db = await core();
  await dialMain(db.sql, { ca: "/kept.crt" });
  const before = await tlsOptions(db.sql);
  for (const sslmode of ["disable", "allow", "prefer", "require", "verify-ca"]) {
    for (const because of [undefined, "  "]) {
      const { code, message, hint } = await refusal(
        dialMain(db.sql, because === undefined ? { sslmode } : { sslmode, because }),
      );
      assertEquals([code, message], [
        "ST007",
        `the line to main at main.example.org would not be safe: its sslmode is ${sslmode} instead of verify-full`,
      ]);
      assertMatch(hint ?? "", /write insecure_because with a reason/);
    }
  }
  assertEquals(await tlsOptions(db.sql), before);
});

Deno.test("a reason is kept with the link, shown, and a standing alert until it is not needed", async () => {
  await using db = await core();
  await dialMain(db.sql, { sslmode: "require", because: " WireGuard encrypts it " });
  const [status] = await db.sql`
    select l -> 'sslmode' as mode, l -> 'insecure_because' as because
      from jsonb_array_elements(strata.status() -> 'links') as l`;
  assertEquals(status, { mode: "require", because: "WireGuard encrypts it" });
  const alerts = async () => {
    await db.sql`select strata.check_alerts()`;
    return [
      ...await db.sql`
      select subject, severity, says from strata.alerts where kind = 'insecure_link' and cleared_at is null`,
    ];
  };
  const says = "main is dialled with sslmode require: whoever stands between can pose as it; " +
    "the reason given is: WireGuard encrypts it";
  assertEquals(await alerts(), [{ subject: "main", severity: "info", says }]);
  const [report] = await db.sql`select strata.report('day') -> 'alerts' as alerts`;
  assertMatch(JSON.stringify(report?.alerts), /WireGuard encrypts it/);

  await db.sql`alter server strata_main options (set sslmode 'disable')`;
  await db.sql`update strata.links set insecure_because = null`;
  assertEquals((await alerts()).map(({ severity }) => severity), ["warning"]);

  await dialMain(db.sql);
  assertEquals(await alerts(), []);
});

Deno.test("keys go over https, or within a private network with a word of warning", () => {
  const mine = ["10.1.2.3", "172.16.0.1", "172.31.255.1", "192.168.0.9", "100.64.0.1", "kong"];
  mine.push("[fc00::1]", "[fd12:3456::1]", "[fe80::1]", "archive.home", "nas.local", "box.lan");
  const others = [
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "11.0.0.1",
    "192.169.0.1",
    "[2001:db8::1]",
  ];
  others.push("main.example.org", "local.example.org", "10.evil.example", "[fecd::1]");
  for (const host of mine) {
    const url = `http://${host}:8000`;
    assertEquals([host, isPrivate(new URL(url).hostname), keyObjection(url)], [
      host,
      true,
      undefined,
    ]);
    assertMatch(keyWarning(url) ?? "", /in clear text/);
  }
  for (const host of others) {
    assertMatch(keyObjection(`http://${host}`) ?? host, /write https/);
    assertEquals(keyObjection(`https://${host}`), undefined);
  }
  assertEquals(keyWarning("http://127.0.0.1:8000"), undefined);
});

Deno.test("a client dials with verify-full outside this machine; less needs a reason", () => {
  const address = (host: string, query = "") => `postgresql://a:b@${host}:5432/postgres${query}`;
  const strict = { minVersion: "TLSv1.3", rejectUnauthorized: true } as const;
  const { url, options: { ssl } } = dialling(
    address("10.0.0.1", "?sslmode=verify-ca&sslrootcert=/x"),
    {
      ca: "CA",
    },
  );
  assertEquals([url, ssl], [address("10.0.0.1"), { host: "10.0.0.1", ...strict, ca: ["CA"] }]);
  assertEquals(dialling(address("[fd00::1]")).options.ssl, { host: "fd00::1", ...strict });
  assertEquals(dialling(address("127.0.0.1")).options.ssl, "prefer");
  assertEquals(dialling(address("localhost", "?sslmode=disable")).options.ssl, false);
  for (
    const [mode, ssl] of [["require", "require"], ["prefer", "prefer"], ["disable", false]] as const
  ) {
    const weak = address("main.example.org", `?sslmode=${mode}`);
    let refused: unknown;
    try {
      dialling(weak, { insecureBecause: " " });
    } catch (error) {
      refused = error;
    }
    assertEquals(refused instanceof UnsafeAddressError, true);
    assertEquals(dialling(weak, { insecureBecause: "a VPN" }).options.ssl, ssl);
  }
});

Deno.test("a pooler's line to its database is not ours: what that database sees is not asked", async () => {
  await using db = await core();
  const found = async (user: string) => {
    await db.sql`
      select strata.join_tier('main', 'push', p_host => 'pooler.example.org', p_port => 5432,
        p_database => 'postgres', p_user => ${user}, p_password => 'secret')`;
    return [...await db.sql`select demands_tls, pooled from strata.line_security('main')`];
  };
  assertEquals(await found("strata_mover.abcdefghijklmnopqrst"), [{
    demands_tls: true,
    pooled: true,
  }]);
  assertEquals(await found("strata_mover"), [{ demands_tls: true, pooled: false }]);
});
