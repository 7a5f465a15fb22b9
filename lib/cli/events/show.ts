// What `events` does: finds the events that are meant and writes them out.

import { localIso } from "../../alert/local_time.ts";
import { wordsOf } from "../../dashboard/pages/words.js";
import { type KeptEvent, readEvents } from "../../observe/event_file.ts";
import { print } from "../print.ts";
import { printable } from "../printable.ts";

interface Wanted {
  /** Milliseconds since 1970. */
  since: number;
  problems: boolean;
  about: string | undefined;
  limit: number;
  json: boolean;
}

/** The pages' own words. */
const english = wordsOf("en");

/** Resolves to the exit code. */
export async function showEvents(
  dataDir: string,
  { since, problems, about, limit, json }: Wanted,
): Promise<number> {
  const all = (await readEvents(dataDir, Infinity)).filter((event) =>
    Date.parse(event.time) >= since &&
    (!problems || event.level === "warning" || event.level === "bad") &&
    (about === undefined || event.subject === about)
  );
  const shown = all.slice(-limit);
  for (const event of shown) print(json ? JSON.stringify(event) : lineOf(event));
  if (shown.length === 0) {
    const from = localIso(new Date(since)).slice(0, 19).replace("T", " ");
    console.error(`no such event since ${from} in ${dataDir}; --since looks further back`);
  } else if (shown.length < all.length) {
    console.error(`the newest ${limit} only; --limit shows more`);
  }
  return 0;
}

/** `2026-01-31 12:00:01 - 12:00:40 failover gpu-1 (7 times): refused; answered by gpu-2` */
function lineOf({ since, time, kind, subject, message, count }: KeptEvent): string {
  const [first, last] = [since, time].map((iso) => localIso(new Date(iso)).slice(0, 19));
  const until = first === last ? "" : ` - ${last.slice(11)}`;
  const key = `kind_${kind}`;
  const word = english(key) === key ? kind.replaceAll("_", " ") : english(key);
  const times = count > 1 ? ` (${count} times)` : "";
  return printable(
    `${first.replace("T", " ")}${until} ${word} ${subject}${times}: ${message}`,
    " ",
  );
}
