import { REPOSITORY } from "../../local/settings.ts";

/** A file of supabase/schemas. */
export interface SchemaFile {
  /** Within supabase/schemas: topic/file.sql. */
  path: string;
  text: string;
}

/** Every SQL file of supabase/schemas, as people edit them. */
export async function* schemaFiles(below = ""): AsyncGenerator<SchemaFile> {
  const directory = `${REPOSITORY}/supabase/schemas`;
  for await (const { name, isDirectory } of Deno.readDir(`${directory}/${below}`)) {
    const path = below === "" ? name : `${below}/${name}`;
    if (isDirectory) yield* schemaFiles(path);
    else if (name.endsWith(".sql")) {
      yield { path, text: await Deno.readTextFile(`${directory}/${path}`) };
    }
  }
}
