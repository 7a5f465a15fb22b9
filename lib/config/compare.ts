// What two configurations differ in, as their files write them, for people: by name where the members of a list
// have names, and without a secret, though it is said where one is another.

import { maskSecrets } from "./mask.ts";

/** Names of fields are those of the JSON. */
export interface Difference {
  /** Such as `instances[gpu-1].weight`. */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  /** JSON, secrets masked and cut where it is long; "" where there is none. */
  readonly before: string;
  readonly after: string;
}

const MAX_DIFFERENCES = 200;
const MAX_VALUE = 200;

/** At most `MAX_DIFFERENCES`, in the order of `after`, then what is gone. */
export function differencesOf(before: unknown, after: unknown): Difference[] {
  const found: Difference[] = [];
  compare("", of(before), of(after), found);
  return found.slice(0, MAX_DIFFERENCES);
}

/** A value, and what of it may be shown. */
interface Value {
  readonly real: unknown;
  readonly shown: unknown;
}

const of = (real: unknown): Value => ({ real, shown: maskSecrets(real) });

function compare(path: string, before: Value, after: Value, found: Difference[]): void {
  if (
    found.length >= MAX_DIFFERENCES || JSON.stringify(before.real) === JSON.stringify(after.real)
  ) {
    return;
  }
  const [old, now] = [membersOf(before), membersOf(after)];
  if (old === null || now === null) {
    found.push({ path, kind: "changed", before: text(before), after: text(after) });
    return;
  }
  const at = (name: string) => old.isList || now.isList ? `${path}[${name}]` : dotted(path, name);
  for (const [name, value] of now.members) {
    const other = old.members.get(name);
    if (other !== undefined) compare(at(name), other, value, found);
    else found.push({ path: at(name), kind: "added", before: "", after: text(value) });
  }
  for (const [name, value] of old.members) {
    if (now.members.has(name)) continue;
    found.push({ path: at(name), kind: "removed", before: text(value), after: "" });
  }
}

function dotted(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

interface Members {
  readonly isList: boolean;
  readonly members: ReadonlyMap<string, Value>;
}

/** null for a plain value. The members of a list go by their names, if each has one of its own. */
function membersOf({ real, shown }: Value): Members | null {
  if (real === null || typeof real !== "object") return null;
  const isList = Array.isArray(real);
  const entries = Object.entries(real).map(([key, value]) =>
    [key, { real: value, shown: (shown as Record<string, unknown>)[key] }] as const
  );
  const names = isList ? entries.map(([, { real }]) => nameOf(real)) : [];
  const areNamed = isList && names.every((name) => name !== null) &&
    new Set(names).size === names.length;
  return {
    isList,
    members: new Map(
      entries.map(([key, value], index) => [areNamed ? names[index]! : key, value]),
    ),
  };
}

function nameOf(value: unknown): string | null {
  const { name, url } = (value ?? {}) as { name?: unknown; url?: unknown };
  return typeof name === "string" ? name : typeof url === "string" ? url : null;
}

function text({ shown }: Value): string {
  const json = JSON.stringify(shown) ?? "";
  return json.length > MAX_VALUE ? `${json.slice(0, MAX_VALUE)}…` : json;
}
