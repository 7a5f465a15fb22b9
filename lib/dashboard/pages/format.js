// Numbers and times as people read them, short and of even width.

const NONE = "–";

/** 0.3, 12, 3.4k, 1.2M */
export function short(value) {
  if (value === null || value === undefined) return NONE;
  if (value >= 999_500) return `${trim(value / 1_000_000)}M`;
  if (value >= 9_995) return `${trim(value / 1000)}k`;
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : trim(value);
}

function trim(value) {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** Whole numbers with separators. */
export function whole(value) {
  return value === null || value === undefined ? NONE : value.toLocaleString("en-US");
}

/** 85 ms, 1.4 s */
export function millis(value) {
  if (value === null || value === undefined) return NONE;
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

/** 45 s, 12 min, 3 h 20 min, 5 d 3 h */
export function duration(seconds) {
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor(s % 86_400 / 3600)} h`;
}

/** 14:03:22 */
export function clock(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? NONE : date.toTimeString().slice(0, 8);
}

/** 2026-01-31 14:03:22, or the time alone when it is today's. */
export function moment(time) {
  if (time === null || time === undefined) return NONE;
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return NONE;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return date.toDateString() === new Date().toDateString() ? clock(time) : `${day} ${clock(time)}`;
}

/** 20260131_14 as 2026-01-31 14:00 */
export function hour(name) {
  return `${name.slice(0, 4)}-${name.slice(4, 6)}-${name.slice(6, 8)} ${name.slice(9, 11)}:00`;
}

function two(value) {
  return String(value).padStart(2, "0");
}
