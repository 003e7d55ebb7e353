/** What kind of audio some bytes are, and how long it plays. */

/** Audio that Telegram plays as a voice message. */
export interface Audio {
  mimeType: "audio/ogg" | "audio/mpeg";
  fileName: string;
  seconds: number;
}

/** Opus counts in samples of 48 kHz, whatever was recorded. */
const OPUS_RATE = 48_000;
const BITS_PER_SECOND_OF_MP3 = 64_000;

/** Looks at the bytes; undefined when they are neither Ogg nor MP3. */
export function audioOf(bytes: Uint8Array): Audio | undefined {
  if (startsWith(bytes, "OggS")) {
    return { mimeType: "audio/ogg", fileName: "briefing.ogg", seconds: oggSeconds(bytes) };
  }
  const isFrame = bytes[0] === 0xff && ((bytes[1] ?? 0) & 0xe0) === 0xe0;
  if (startsWith(bytes, "ID3") || isFrame) {
    const seconds = Math.max(1, Math.round(bytes.length * 8 / BITS_PER_SECOND_OF_MP3));
    return { mimeType: "audio/mpeg", fileName: "briefing.mp3", seconds };
  }
  return undefined;
}

/** The last page of an Ogg stream says at which sample it ends. */
function oggSeconds(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = bytes.length - 14; at >= 0; at -= 1) {
    if (!startsWith(bytes.subarray(at), "OggS")) continue;
    const samples = view.getBigInt64(at + 6, true);
    if (samples > 0n) return Math.max(1, Math.round(Number(samples) / OPUS_RATE));
  }
  return 1;
}

function startsWith(bytes: Uint8Array, letters: string): boolean {
  return bytes.length >= letters.length &&
    [...letters].every((letter, at) => bytes[at] === letter.charCodeAt(0));
}
