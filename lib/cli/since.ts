// A moment on the command line: so long ago, a day or a time.

import { expected, type Kind } from "./command/kind.ts";

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** In milliseconds since 1970. */
export const MOMENT: Kind<number> = {
  placeholder: "TIME",
  read(given) {
    const ago = /^(\d+)([smhd])$/.exec(given);
    if (ago !== null) return Date.now() - Number(ago[1]) * UNITS[ago[2]];
    // A bare date would be read as UTC.
    const time = Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(given) ? `${given}T00:00` : given);
    if (!Number.isNaN(time)) return time;
    throw expected("a time such as 10m, 2h, 2026-01-31 or 2026-01-31T12:00", given);
  },
};
