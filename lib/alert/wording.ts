// Alerts in words, the same for all channels: a title, a text, and a line of facts. How a service wants
// them marked up is left to channels/.

import type { Alert, Notice, Severity } from "./alert.ts";
import { KINDS } from "./kinds.ts";
import { localIso } from "./local_time.ts";

/** Subjects that a summary names of one kind; the others are counted. */
const NAMED = 10;
/** Characters of one message in a summary. */
const LINE_CHARS = 200;

/** How a notice looks at first sight. */
export type Mood = "resolved" | Severity;

/** The gravest of what goes on; resolved where all of it is over. */
export function moodOf({ alerts }: Notice): Mood {
  const going = alerts.filter(({ resolved }) => !resolved).map(({ severity }) => severity);
  if (going.length === 0) return "resolved";
  return going.includes("critical") ? "critical" : going.includes("warning") ? "warning" : "info";
}

/** "Instance ejected: gpu-1", "Resolved: Error rate: deepseek-r1" or "12 alerts: …"; one line. */
export function titleOf(notice: Notice): string {
  const { alerts, left } = notice;
  if (alerts.length + left === 1) return titleOfAlert(alerts[0]);
  const counts = groups(alerts).map(({ title, alerts }) => `${alerts.length} ${title}`);
  const resolved = moodOf(notice) === "resolved" ? "Resolved: " : "";
  return oneLine(`${resolved}${alerts.length + left} alerts: ${counts.join(", ")}`);
}

/** What happened; one line for an alert alone, a line for each kind in a summary. */
export function textOf({ alerts, left }: Notice): string {
  if (alerts.length + left === 1) {
    const [{ message, suppressed }] = alerts;
    const more = suppressed === 0 ? "" : ` (and ${suppressed} more like this before)`;
    return `${oneLine(message)}${more}`;
  }
  const lines = groups(alerts).map(({ title, alerts }) => {
    const subjects = [...new Set(alerts.map(({ subject }) => subject))];
    const names = subjects.slice(0, NAMED).join(", ");
    const more = subjects.length > NAMED ? ` and ${subjects.length - NAMED} more` : "";
    const said = cut(alerts.at(-1)!.message, LINE_CHARS);
    return oneLine(`${title}: ${names}${more} (${said})`);
  });
  if (left > 0) lines.push(`and ${left} more`);
  return lines.join("\n");
}

/** "critical · gateway-1 · 2026-11-23T14:05:06+01:00 · count 10" */
export function factsOf(notice: Notice): string {
  const first = localIso(notice.alerts[0].time);
  const last = localIso(notice.alerts.at(-1)!.time);
  const time = first === last ? first : `${first} to ${last}`;
  const [{ count }] = notice.alerts;
  const counted = notice.alerts.length === 1 && count > 1 ? `count ${count}` : "";
  return [moodOf(notice), notice.source, time, counted].filter((fact) => fact !== "").join(" · ");
}

function titleOfAlert({ kind, subject, resolved }: Alert): string {
  // What ends by another name says so itself.
  const over = resolved && KINDS[kind].ends ? "Resolved: " : "";
  return oneLine(`${over}${KINDS[kind].title}: ${subject}`);
}

/** By kind and whether it is over, in the order in which they first came. */
function groups(alerts: readonly Alert[]): { title: string; alerts: Alert[] }[] {
  const found = new Map<string, Alert[]>();
  for (const alert of alerts) {
    const over = alert.resolved && KINDS[alert.kind].ends ? " (resolved)" : "";
    const title = `${KINDS[alert.kind].title}${over}`;
    const group = found.get(title);
    if (group === undefined) found.set(title, [alert]);
    else group.push(alert);
  }
  return [...found].map(([title, alerts]) => ({ title, alerts }));
}

/** Without line ends and control characters, whatever an instance said. */
export function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex -- exactly these are looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim();
}

/** At most so many UTF-16 units, without half a character. */
export function cut(text: string, units: number): string {
  if (text.length <= units) return text;
  return `${text.slice(0, units - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** At most so many bytes of UTF-8, without half a character. */
export function cutBytes(text: string, bytes: number): string {
  const encoded = new TextEncoder().encode(text);
  if (encoded.length <= bytes) return text;
  // "…" has three bytes; a character that was cut through comes out as U+FFFD.
  const kept = new TextDecoder().decode(encoded.subarray(0, bytes - 3));
  return `${kept.replace(/\ufffd+$/, "")}…`;
}
