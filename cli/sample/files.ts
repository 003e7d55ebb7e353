import { createHash } from "node:crypto";
import { type Day, decimal, json, type Life, minutes, type Untold } from "./life.ts";

/** Once a month from each service that offers an export. */
export function* rawExports(life: Life): Generator<Untold> {
  for (const day of life.days()) {
    if (day.start.getUTCDate() !== 1) continue;
    for (const source of ["bank", "fitness", "calendar"]) {
      const records = exportedRecords(life, day);
      const payload = json({ source, exported: day.date, records });
      yield {
        created_at: day.at(life.random.between(4, 5)),
        source,
        payload,
        record_count: records.length,
        sha256: sha256(payload.text),
      };
    }
  }
}

function exportedRecords({ random, scale }: Life, day: Day): unknown[] {
  return Array.from({ length: Math.ceil(random.integer(150, 700) * scale) }, () => ({
    at: day.plus(-random.integer(1, 28)).at(random.between(6, 23)).toISOString(),
    value: decimal(random.normal(60, 40), 2),
    label: random.pick(["Bäckerei", "run", "Miete", "standup", "train", "Überweisung"]),
  }));
}

/** A spoken memo every few days: four kilobytes for each second of sound. */
export function* voiceRecordings(life: Life): Generator<Untold> {
  const { random } = life;
  for (const day of life.moments(40)) {
    const language = life.language();
    const seconds = Math.round(4 * 2 ** random.between(0, 4));
    yield {
      created_at: day.at(random.normal(17, 3)),
      kind: "memo",
      language,
      transcript: life.prose(seconds * 14, language),
      mime_type: "audio/ogg",
      audio: random.bytes(seconds * 4000),
      duration: minutes(seconds / 60),
      metadata: json({ device: random.pick(["phone", "watch"]), sample_rate: 48_000 }),
    };
  }
}

/** Two pictures a week, more on free days. */
export function* mediaFiles(life: Life): Generator<Untold> {
  const { random } = life;
  for (const day of life.moments(110)) {
    if (!day.free && random.chance(0.4)) continue;
    const created_at = day.at(random.normal(15, 3));
    const content = random.bytes(Math.round(12_000 * 2 ** random.between(0, 4.5)));
    const [width, height] = random.pick([[1600, 1200], [1200, 1600], [1024, 1024]]);
    const outdoors = random.chance(0.7);
    yield {
      created_at,
      name: `IMG_${day.date.replaceAll("-", "")}_${random.integer(1000, 9999)}.jpg`,
      mime_type: "image/jpeg",
      content,
      sha256: sha256(content),
      width,
      height,
      latitude: outdoors ? random.normal(48, 1.2) : null,
      longitude: outdoors ? random.normal(7.85, 1.2) : null,
      taken_at: new Date(created_at.getTime() - random.integer(1000, 3_600_000)),
    };
  }
}

function sha256(content: string | Uint8Array): Uint8Array {
  return createHash("sha256").update(content).digest();
}
