/** Serves the projects it is given until it is killed, and prints their ports. */
import { outliveServers, serveProject } from "../../../local/projects.ts";
import type { Served } from "./projects.ts";

outliveServers();
const projects: Served[] = JSON.parse(Deno.args[0] ?? "[]");
const ports = projects.map((project) => Number(new URL(serveProject(project, 0).url).port));
console.log(JSON.stringify(ports));
