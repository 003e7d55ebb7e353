/** When a job runs, in words, from what its schedule says: so that no help says it otherwise. */

const DAYS = ["Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays"];

/** "daily at 09:00 UTC", "Sundays at 02:00 UTC"; what is put otherwise is shown as it stands. */
export function cronText(cron: string): string {
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = cron.trim().split(/\s+/);
  const every = /^\*\/(\d+)$/;
  if (cron === "* * * * *") return "every minute";
  if (every.test(minute) && [hour, day, month, weekday].every((part) => part === "*")) {
    return `every ${every.exec(minute)?.[1]} minutes`;
  }
  if (month !== "*" || !/^\d+$/.test(minute)) return `cron ${cron}`;
  if (every.test(hour) && day === "*" && weekday === "*") {
    return `every ${every.exec(hour)?.[1]} hours`;
  }
  if (!/^\d+$/.test(hour)) return `cron ${cron}`;
  const at = `at ${hour.padStart(2, "0")}:${minute.padStart(2, "0")} UTC`;
  if (day === "*" && weekday === "*") return `daily ${at}`;
  const name = DAYS[Number(weekday) % 7];
  if (day === "*" && /^[0-7]$/.test(weekday) && name !== undefined) return `${name} ${at}`;
  return weekday === "*" && /^\d+$/.test(day)
    ? `on day ${day} of each month ${at}`
    : `cron ${cron}`;
}
