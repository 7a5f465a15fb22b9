// The user's own expressions, in RE2's syntax and on its engine, which needs time linear to the text
// whatever the expression. It is slow, so a text is shown to it only where what the expression begins with
// has been seen.

import { RE2JS } from "re2js";
import type { Found, RunKind } from "../text/finder.ts";

/** Longest match where the expression has no bound of its own that is found here. */
const ANY_LENGTH = 256;

export interface UserPattern {
  readonly pattern: string;
  readonly ignoreCase: boolean;
  readonly maxLength: number | null;
  readonly owner: number;
  readonly acts: boolean;
}

export function patternRun(given: UserPattern): RunKind {
  const { pattern, ignoreCase, owner, acts } = given;
  const compiled = RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  const longest = given.maxLength ?? ANY_LENGTH;
  const beginning = ignoreCase ? "" : beginningOf(pattern);
  const first = beginning.charCodeAt(0);
  const find = (run: string): Found[] => {
    const found: Found[] = [];
    const matcher = compiled.matcher(run);
    for (let at = 0; at <= run.length && matcher.find(at);) {
      const start = matcher.start();
      const end = Math.min(matcher.end(), start + longest);
      if (end > start) found.push({ start, end, kind: "pattern", owner });
      at = Math.max(matcher.end(), start + 1);
    }
    return found;
  };
  return {
    opens: beginning === "" ? () => true : (unit) => unit === first,
    goesOn: () => true,
    beginning,
    longest,
    holds: acts,
    find,
  };
}

/** The characters that every match begins with; "" where that is not plain to see. */
function beginningOf(pattern: string): string {
  if (pattern.includes("|")) return "";
  const plain = /^[A-Za-z0-9_ \-#@:/\u4e00-\u9fff]+/.exec(pattern)?.[0] ?? "";
  // What may be missing or come again is no part of it.
  return /^[?*+{]/.test(pattern.slice(plain.length)) ? plain.slice(0, -1) : plain;
}
