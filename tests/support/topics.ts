/** Which objects of schema strata each topic makes, and which it refers to. */
import { releasePlan } from "../../cli/release/compose.ts";
import { schemaFiles } from "./schemas.ts";

/** A file of a topic, and its text without what only people read. */
export interface TopicFile {
  topic: string;
  path: string;
  code: string;
}

/** A place where an object is named that only a later topic makes. */
export interface Reference {
  path: string;
  line: number;
  /** The object that is named. */
  name: string;
  /** The topic that makes it. */
  made: string;
  /** The whole line, blanks at its ends taken off. */
  text: string;
}

/** The topics of all releases, in the order in which they are installed. */
export async function topicsInOrder(): Promise<string[]> {
  return (await releasePlan()).releases.flatMap(({ folders }) => folders);
}

/** Every file of these topics. */
export async function topicFiles(topics: readonly string[]): Promise<TopicFile[]> {
  const files = await Array.fromAsync(schemaFiles());
  return files
    .map(({ path, text }) => ({ path, topic: path.split("/")[0] ?? "", code: onlyCode(text) }))
    .filter(({ topic, path }) => topics.includes(topic) && path.split("/").length === 2)
    .sort((a, b) => a.path < b.path ? -1 : 1);
}

/**
 * Comments, `comment on` and the causes and remedies of errors are blanked out; lines stay where they are. Other literals
 * are not: they may be SQL that is run here, on a neighbour or by a job.
 */
export function onlyCode(text: string): string {
  const blank = (part: string) => part.replace(/[^\n]/g, " ");
  return text
    .replace(/^(comment on|insert into strata\.errors) (?:[^';]|'(?:[^']|'')*')*;/gm, blank)
    .replace(
      /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'/g,
      (token) => token.startsWith("'") ? token : blank(token),
    );
}

/** The topics that make each object: functions and procedures, tables, types, sequences, views. */
export function makersOf(files: readonly TopicFile[]): Map<string, string[]> {
  const made = new Map<string, string[]>();
  const creation =
    /^create (?:or replace )?(?:function|procedure|table|type|sequence|view|domain) strata\.(\w+)/gm;
  for (const { topic, code } of files) {
    for (const [, name = ""] of code.matchAll(creation)) {
      made.set(name, [...new Set([...made.get(name) ?? [], topic])]);
    }
  }
  return made;
}

/** Where a topic names what only later ones make. */
export function upwardReferences(
  files: readonly TopicFile[],
  order: readonly string[],
): Reference[] {
  const made = makersOf(files);
  const earliest = (name: string) =>
    (made.get(name) ?? []).toSorted((a, b) => order.indexOf(a) - order.indexOf(b))[0];
  return files.flatMap(({ topic, path, code }) =>
    code.split("\n").flatMap((line, at) =>
      [...line.matchAll(/\bstrata\.(\w+)/g)].flatMap(([, name = ""]): Reference[] => {
        const maker = earliest(name);
        if (maker === undefined || order.indexOf(maker) <= order.indexOf(topic)) return [];
        return [{ path, line: at + 1, name, made: maker, text: line.trim() }];
      })
    )
  );
}
