/** One edge function alone in a process: what it costs to start it, and what each call costs. */
import process from "node:process";
import { z } from "zod";
import { loadFunction } from "../local/functions.ts";

const Task = z.object({
  name: z.string(),
  variables: z.record(z.string(), z.string()),
  method: z.string(),
  body: z.string().nullable(),
  calls: z.number(),
});

const milliseconds = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1000;

/** The most memory this process ever held, in bytes. */
async function peak(): Promise<number> {
  const status = await Deno.readTextFile("/proc/self/status").catch(() => "");
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
  return kilobytes === undefined ? Deno.memoryUsage().rss : Number(kilobytes) * 1024;
}

const task = Task.parse(JSON.parse(Deno.args[0] ?? ""));
const before = Deno.memoryUsage().rss;
const handler = await loadFunction(task.name, task.variables);
const loaded = Deno.memoryUsage().rss;
const keys = z.record(z.string(), z.string())
  .parse(JSON.parse(task.variables["SUPABASE_SECRET_KEYS"] ?? "{}"));
const started = milliseconds(process.cpuUsage());
const costs: number[] = [];
let status = 0;
let answer = "";
for (let made = 0; made < task.calls; made++) {
  const at = milliseconds(process.cpuUsage());
  const response = await handler(
    new Request(`http://bench.test/${task.name}`, {
      method: task.method,
      headers: { apikey: keys["default"] ?? "", "content-type": "application/json" },
      body: task.body,
    }),
  );
  answer = await response.text();
  status = response.status;
  costs.push(milliseconds(process.cpuUsage()) - at);
}
costs.sort((a, b) => a - b);
console.log(JSON.stringify({
  start_ms: started,
  first_ms: costs.at(-1),
  call_ms: costs[Math.floor(costs.length / 2)],
  runtime_bytes: before,
  loaded_bytes: loaded,
  peak_bytes: await peak(),
  status,
  answer: answer.slice(0, 300),
}));
Deno.exit(0);
