/** When a job runs, in words, from what its schedule says: so that no help says it otherwise. */

const DAYS = ["Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays"];

/** "daily at 09:00 UTC", "Sundays at 02:00 UTC"; what is put otherwise is shown as it stands. */
export function cronText(cron: string): string {
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = cron.trim().split(/\s+/);
  const isEveryDay = [day, month, weekday].every((part) => part === "*");
  if (cron === "* * * * *") return "every minute";
  const minutes = pace(minute, 60);
  if (minutes !== undefined && hour === "*" && isEveryDay) return `every ${minutes} minutes`;
  if (month !== "*" || !/^\d+$/.test(minute)) return `cron ${cron}`;
  const hours = pace(hour, 24);
  if (hours !== undefined && isEveryDay) return `every ${hours} hours`;
  if (!/^\d+$/.test(hour)) return `cron ${cron}`;
  const at = `at ${hour.padStart(2, "0")}:${minute.padStart(2, "0")} UTC`;
  if (day === "*" && weekday === "*") return `daily ${at}`;
  const name = DAYS[Number(weekday) % 7];
  if (day === "*" && /^[0-7]$/.test(weekday) && name !== undefined) return `${name} ${at}`;
  return weekday === "*" && /^\d+$/.test(day)
    ? `on day ${day} of each month ${at}`
    : `cron ${cron}`;
}

/** The step of a field that comes round at one pace, from one round to the next as well. */
function pace(field: string, round: number): number | undefined {
  const found = /^(?:[*]|(\d+)-(\d+))[/](\d+)$/.exec(field);
  if (found === null) return undefined;
  const [, from = "0", to = `${round - 1}`, step = ""] = found;
  const last = Number(to) - (Number(to) - Number(from)) % Number(step);
  return Number(from) + round - last === Number(step) ? Number(step) : undefined;
}
