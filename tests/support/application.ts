import versions from "../../import_map.json" with { type: "json" };

/** What a command came to. */
export interface Called {
  code: number;
  /** What it says and what it prints. */
  output: string;
  /** What it prints. */
  out: string;
}

/** An application of somebody's own: a folder with supabase/config.toml and migrations, pushed by the real CLI. */
export interface Application extends AsyncDisposable {
  path: string;
  /** Adds or replaces a file below supabase. */
  write(path: string, text: string): Promise<void>;
  read(path: string): Promise<string>;
  files(folder: string): Promise<string[]>;
  /** `supabase db push`, as its owner calls it. */
  push(url: string): Promise<Called>;
  /** Any command of the CLI's, with what it prints. */
  cli(...words: string[]): Promise<Called>;
  /** Another copy of it, as a colleague has one. */
  clone(): Promise<Application>;
}

const CONFIG = `project_id = "shop"

[api]
schemas = ["public", "graphql_public"]

[functions.checkout]
verify_jwt = true
`;

/** Makes a small shop with two migrations and a function of its own. */
export async function application(): Promise<Application> {
  const made = open(await Deno.makeTempDir({ prefix: "strata-application-" }));
  await made.write("config.toml", CONFIG);
  await made.write(
    "migrations/20250101000000_orders.sql",
    `create table public.orders (id bigint primary key, placed_at timestamptz not null default now(), total numeric);`,
  );
  await made.write(
    "migrations/20270101000000_later.sql",
    "alter table public.orders add column note text;",
  );
  await made.write("functions/checkout/index.ts", `Deno.serve(() => new Response("ok"));\n`);
  await made.write("functions/_shared/cors.ts", `export const cors = {};\n`);
  return made;
}

function open(path: string): Application {
  const within = (file: string) => `${path}/supabase/${file}`;
  const cli = async (...words: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command("npx", {
      args: ["--yes", versions.imports.supabase.replace(/^npm:/, ""), ...words],
      cwd: path,
      env: {
        SUPABASE_NO_UPDATE_NOTIFIER: "1",
        SUPABASE_TELEMETRY_DISABLED: "1",
        SUPABASE_HOME: `${path}/.home`,
      },
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, output: text(stderr) + text(stdout), out: text(stdout) };
  };
  return {
    path,
    async write(file, text) {
      await Deno.mkdir(within(file).replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(within(file), text);
    },
    read: (file) => Deno.readTextFile(within(file)),
    async files(folder) {
      return (await Array.fromAsync(Deno.readDir(within(folder)))).map(({ name }) => name).sort();
    },
    push: (url) => cli("db", "push", `--remote=${url}`, "--yes"),
    cli,
    async clone() {
      const copy = await Deno.makeTempDir({ prefix: "strata-application-" });
      await new Deno.Command("cp", { args: ["-r", `${path}/supabase`, copy] }).output();
      return open(copy);
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
    },
  };
}
