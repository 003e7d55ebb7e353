/** How a release is put together from supabase/schemas: one file, installer and upgrader at once. */
import { REPOSITORY } from "../../local/settings.ts";

/** One file that is pushed to a tier, and the folders of supabase/schemas that it is made from, in order. */
export interface Product {
  /** Its name in supabase/migrations. */
  file: string;
  product: "strata" | "companion";
  folders: string[];
}

/** supabase/schemas/release.json: which version this is, and what it is made of. */
export interface ReleasePlan {
  version: string;
  /** The least and the most protocol that it speaks with neighbours of other releases. */
  protocols: [number, number];
  releases: Product[];
  /** Versions from which `supabase/schemas/upgrades/<version>.sql` leads to the next one, oldest first. */
  upgrades: string[];
}

const SCHEMAS = `${REPOSITORY}/supabase/schemas`;

/** What is to be released. */
export async function releasePlan(): Promise<ReleasePlan> {
  return JSON.parse(await Deno.readTextFile(`${SCHEMAS}/release.json`));
}

/** The text of one release file, its digest in it. */
export async function compose(plan: ReleasePlan, { product, folders }: Product): Promise<string> {
  const folder = product === "strata" ? "release" : "companion/release";
  const frame = (part: string) => read(`${folder}/${part}.sql`);
  const routines = (await code(folders)).map(partGrants);
  const parts = [
    await read("release/open.sql"),
    await frame("begin"),
    await read("release/remember.sql"),
    await read("release/drop.sql"),
    ...await installers(folders),
    ...(product === "strata" ? await upgrades(plan, "") : []),
    ...(await each(folders, "tables.sql")).map(keepTables),
    ...(await each(folders, "types.sql")).map(keepTables),
    ...routines.map(({ rest }) => replaceRoutines(rest)),
    ...(await each(folders, "seed.sql")),
    ...(product === "strata" ? await upgrades(plan, "_after") : []),
    await read("release/grants.sql"),
    ...routines.flatMap(({ grants }) => grants),
    await frame("end"),
    await read("release/regrant.sql"),
    await read("release/close.sql"),
  ];
  const body = parts.join("\n").replaceAll("%VERSION%", plan.version)
    .replaceAll("%PROTOCOLS%", plan.protocols.join(", ")).replaceAll("%PRODUCT%", product);
  const digest = await sha256(body);
  const title =
    `-- Strata ${plan.version}${
      product === "strata" ? "" : `, ${product}`
    }: made by \`deno task release\` ` +
    `from supabase/schemas; not to be edited.\n-- digest ${digest}\n-- Long because it is a whole release.\n\n`;
  return title + body.replaceAll("%DIGEST%", digest);
}

async function sha256(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(hash).toHex();
}

async function read(path: string): Promise<string> {
  return `-- ${path}\n\n${await Deno.readTextFile(`${SCHEMAS}/${path}`)}`;
}

async function namesIn(folder: string): Promise<string[]> {
  const found = await Array.fromAsync(Deno.readDir(`${SCHEMAS}/${folder}`));
  return found.filter(({ isFile }) => isFile).map(({ name }) => name).sort();
}

async function each(folders: readonly string[], name: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders) {
    if ((await namesIn(folder)).includes(name)) found.push(await read(`${folder}/${name}`));
  }
  return found;
}

/** Roles and extensions: what there is before tables. */
function installers(folders: readonly string[]): Promise<string[]> {
  return each(folders, "install.sql");
}

const NO_CODE = ["install.sql", "tables.sql", "types.sql", "seed.sql"];

async function code(folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders) {
    const names = (await namesIn(folder)).filter((name) =>
      name.endsWith(".sql") && !NO_CODE.includes(name)
    );
    for (const name of names) found.push(await read(`${folder}/${name}`));
  }
  return found;
}

/**
 * Steps run only where the release that they lead away from is found, or an older one: `<version>.sql` between the code that
 * goes and the code that comes, `<version>_after.sql` where there is one, with all of the new code there.
 */
async function upgrades({ upgrades }: ReleasePlan, when: "" | "_after"): Promise<string[]> {
  const there = await namesIn("upgrades");
  const wanted = upgrades.filter((version) => there.includes(`${version}${when}.sql`));
  return await Promise.all(wanted.map(async (version) => {
    const steps = await read(`upgrades/${version}${when}.sql`);
    const least = version.replaceAll(".", ",");
    return `do $upgrade$
begin
  if pg_catalog.current_setting('strata.from') <> '' and
     pg_catalog.string_to_array(pg_catalog.current_setting('strata.from'), '.')::integer[]
       <= '{${least}}'::integer[] then
    execute $steps$
${steps}$steps$;
  end if;
end
$upgrade$;
`;
  }));
}

/** Grants stand beside their function, and are run after the sweep, so that nothing else is granted than what they say. */
export function partGrants(text: string): { grants: string[]; rest: string } {
  const grant = /^grant execute on (?:function|procedure) strata\.[^;]*;\n?/gm;
  return {
    grants: (text.match(grant) ?? []).map((one) => one.trimEnd()),
    rest: text.replace(grant, ""),
  };
}

/** What an upgrade keeps is made only where it is missing. */
export function keepTables(text: string): string {
  return text
    .replace(/^create (table|sequence) /gm, "create $1 if not exists ")
    .replace(
      /^create (unique )?index /gm,
      (_, unique) => `create ${unique ?? ""}index if not exists `,
    )
    .replace(
      /^create type (strata\.\w+) as [^;]*;$/gm,
      (statement, name) =>
        `do $type$\nbegin\n  if pg_catalog.to_regtype('${name}') is null then\n${statement}\n  end if;\nend\n$type$;`,
    );
}

/** Routines that triggers call are still there when they are made anew. */
export function replaceRoutines(text: string): string {
  return text.replace(/^create (function|procedure|trigger) /gm, "create or replace $1 ");
}
