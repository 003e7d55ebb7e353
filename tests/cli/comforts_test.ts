/** What is asked before it is done, what is printed when, and what a shell completes. */
import assert from "node:assert/strict";
import { paint } from "../../cli/lib/paint.ts";
import { VERSION } from "../../supabase/functions/_strata/http/version.ts";
import { REPOSITORY } from "../../local/settings.ts";
import { commandLine, strata } from "./support.ts";

Deno.test("--version says which, and completions know every command and its options", async () => {
  for (const flag of ["--version", "-V"]) {
    assert.deepEqual(await strata([flag]), { code: 0, out: VERSION, err: "" });
  }
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, out } = await strata(["completions", shell]);
    assert.equal(code, 0);
    for (const word of ["setup", "unmanage", "sizes"]) {
      assert.match(out, new RegExp(`\\b${word}\\b`));
    }
    assert.match(out, shell === "fish" ? /-l sample-data/ : /--sample-data/);
  }
  assert.equal((await strata(["completions", "csh"])).code, 2);
});

Deno.test("what the shell is given is what it can read", async () => {
  const { out } = await strata(["completions", "bash"]);
  const script = `${out}\nCOMP_WORDS=(strata sta); COMP_CWORD=1; _strata; echo "\${COMPREPLY[@]}"
    COMP_WORDS=(strata monitor s); COMP_CWORD=2; _strata; echo "\${COMPREPLY[@]}"`;
  const shell = new Deno.Command("bash", { args: ["-c", script] });
  const { stdout, success } = await shell.output();
  assert.deepEqual([success, new TextDecoder().decode(stdout)], [true, "status\nsizes sync\n"]);
});

Deno.test("paint() adds colour and takes nothing away", () => {
  const text = "✓ well\n   ✗ wrong\n→ do this\ncore: 31 MB";
  const painted = paint(text);
  // deno-lint-ignore no-control-regex
  assert.equal(painted.replaceAll(/\x1b\[\d+m/g, ""), text);
});

Deno.test("reset asks, and does nothing where nobody can be asked", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `${REPOSITORY}/local/main.ts`, "reset"],
      env: { STRATA_HOME: directory },
      stdin: "null",
    }).output();
    assert.equal(code, 2);
    assert.match(
      new TextDecoder().decode(stderr),
      / are deleted\. There is no terminal to ask on\n→ Say --yes/,
    );
    assert.deepEqual([...Deno.readDirSync(directory)], []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("hold keeps a row, release lets it go, unmanage lets go of the table", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  const id = "00000000-0000-4000-8000-000000000001";
  await cli.sql("core")`
    insert into public.journal_entries (id, created_at, content) values (${id}, now() - interval '30 days', 'x')`;
  for (
    const [args, says] of [
      [["hold"], /^Which dataset\?/],
      [["hold", "journal_entries"], /^Which rows\?/],
      [["hold", "journal_entries", id], /^Why\?/],
      [["hold", "journal_entry", id, "--reason", "x"], /Did you mean journal_entries\?/],
      [["release", "soon"], /Write the hold's id/],
      [["release", id], /^There is no open hold/],
    ] as const
  ) {
    const { code, err } = await cli.strata(...args);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, says);
  }
  const held = await cli.strata("hold", "journal_entries", id, "--reason", "a court asked");
  assert.equal(held.code, 0, held.err);
  const hold = /release ([0-9a-f-]{36})/.exec(held.out)?.[1] ?? "";
  assert.match(
    (await cli.strata("hold", "--list")).out,
    new RegExp(`${hold} +journal_entries +${id}`),
  );

  const kept = await cli.strata("sync");
  assert.match(kept.out, /^Nothing was moved\.\nOld enough, but they stay: 1 held\./);
  assert.equal((await cli.strata("sync", "--quiet")).out, "");
  assert.equal((await cli.strata("release", hold)).code, 0);
  assert.equal((await cli.strata("hold", "--list")).out, "Nothing is held.");

  const plan = JSON.parse((await cli.strata("plan", "journal_entries", "--json")).out).plan[0];
  const moved = JSON.parse((await cli.strata("sync", "--json")).out).moved[0];
  assert.deepEqual([moved.rows, moved.bytes], [plan.rows_now, plan.bytes_now]);

  const asked = await cli.strata("unmanage", "journal_entries");
  assert.equal(asked.code, 2);
  assert.match(asked.err, /on core, main: no row moves/);
  assert.equal((await cli.strata("unmanage", "journal_entries", "--yes")).code, 0);
  assert.match((await cli.strata("plan", "journal_entries")).err, /^There is no dataset/);
  const [left] = await cli.sql("main")`select count(*)::int as n from public.journal_entries`;
  assert.equal(left?.n, 1);
});

Deno.test("a tier that does not answer is not known, and no question about it ends well", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  const main = cli.environment["STRATA_MAIN_DB_URL"] ?? "";
  cli.environment["STRATA_MAIN_DB_URL"] = "postgresql://postgres:x@127.0.0.1:9/postgres";
  const id = "00000000-0000-4000-8000-000000000001";
  const { code, out } = await cli.strata("explain", "tasks", id);
  assert.equal(code, 1);
  assert.match(out, /^core +where +not on core$/m);
  assert.match(out, /^main +where +not known: main does not answer$/m);
  assert.doesNotMatch(out, /No tier has this row/);
  for (const command of [["plan"], ["monitor", "sizes"], ["forecast"], ["quota"], ["status"]]) {
    assert.equal((await cli.strata(...command)).code, 1, command.join(" "));
  }
  cli.environment["STRATA_MAIN_DB_URL"] = main;
  assert.match((await cli.strata("explain", "tasks", id)).out, /No tier has this row/);
});

Deno.test("a drain under way is shown by status and report, with what it waits for", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  assert.doesNotMatch((await cli.strata("status")).out, /draining/);
  await cli.sql("core")`
    insert into strata.drains (state, reason, round, target_bytes, billed_before, need_bytes, started_at, round_at)
    values ('moving', 'critical', 1, 1, 2, ${128 * 1024 * 1024}, now(), now())`;
  await cli.sql("core")`select strata.note_link('main', '08001', 'nothing answers there')`;
  const line =
    /core is draining: 0 B of 128 MB freed, waiting for main \(the link to main is down: /;
  assert.match((await cli.strata("status")).out, line);
  assert.match(
    (await cli.strata("report")).out,
    /^draining: 0 B of 128 MB freed, waiting for main/m,
  );
});
