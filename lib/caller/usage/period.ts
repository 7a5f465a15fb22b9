// In which day and month a moment falls, in a time zone. The period is part of a counter's name, so a
// month ends by another counter being asked, and nothing is ever set back.

import type { Period } from "../../config/access.ts";

/** The day around a moment. */
export interface Day {
  /** "2026-11-26", as the zone has it. */
  readonly name: string;
  /** Milliseconds since 1970: its first, and the first after it. */
  readonly start: number;
  readonly end: number;
}

const HOUR_MS = 3_600_000;
/** The longest day has 25 hours; a zone that changes its offset may add a few. */
const LONGEST_DAY_MS = 30 * HOUR_MS;
const MONTH_MS = 32 * 24 * HOUR_MS;
/** Days that are remembered. */
const MAX_DAYS = 4;

/** Name of the counter of everything since the beginning. */
export const TOTAL = "total";

export class Periods {
  /** Made when a moment is first asked for: it costs milliseconds, and without callers nobody asks. */
  #format: Intl.DateTimeFormat | null = null;
  /** Those asked for last, the newest first: today, and days up to which sums are kept. */
  readonly #days: Day[] = [];
  #month: { name: string; end: number } | null = null;

  constructor(readonly timeZone: string) {}

  /**
   * The day of a moment, the same object for moments of one day; all but the first of them cost some
   * comparisons. Throws RangeError for a zone that nobody knows.
   */
  dayAt(ms: number): Day {
    for (const known of this.#days) if (ms >= known.start && ms < known.end) return known;
    const name = this.#nameAt(ms);
    const isAnother = (at: number) => this.#nameAt(at) !== name;
    const day = {
      name,
      start: -firstWhere((back) => isAnother(-back), -ms, -ms + LONGEST_DAY_MS) + 1,
      end: firstWhere(isAnother, ms, ms + LONGEST_DAY_MS),
    };
    this.#days.unshift(day);
    if (this.#days.length > MAX_DAYS) this.#days.pop();
    return day;
  }

  /** "2026-11-26", "2026-11" or "total": the second half of a counter's name. */
  nameOf(kind: Period, ms: number): string {
    if (kind === "total") return TOTAL;
    const { name } = this.dayAt(ms);
    return kind === "day" ? name : monthOf(name);
  }

  /** When the period around a moment ends; null where it never does. */
  endOf(kind: Period, ms: number): number | null {
    if (kind === "total") return null;
    const day = this.dayAt(ms);
    if (kind === "day") return day.end;
    const name = monthOf(day.name);
    if (this.#month?.name !== name) {
      const end = firstWhere(
        (at) => monthOf(this.#nameAt(at)) !== name,
        day.start,
        day.start + MONTH_MS,
      );
      this.#month = { name, end };
    }
    return this.#month!.end;
  }

  #nameAt(ms: number): string {
    // Some locales' years have an era or fewer digits: the parts are put together here.
    const parts = { year: "", month: "", day: "" };
    this.#format ??= new Intl.DateTimeFormat("en-CA", {
      timeZone: this.timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    });
    for (const { type, value } of this.#format.formatToParts(ms)) {
      if (type === "year" || type === "month" || type === "day") parts[type] = value;
    }
    return `${parts.year.padStart(4, "0")}-${parts.month}-${parts.day}`;
  }
}

/** "2026-11" of "2026-11-26". */
export function monthOf(day: string): string {
  return day.slice(0, 7);
}

/** The first whole number from which on `holds`, which does not at `low`, and does at `high`. */
function firstWhere(holds: (value: number) => boolean, low: number, high: number): number {
  let [without, having] = [low, high];
  while (having - without > 1) {
    const middle = Math.floor((without + having) / 2);
    if (holds(middle)) having = middle;
    else without = middle;
  }
  return having;
}
