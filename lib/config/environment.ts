// `${NAME}` in strings of the config file: values from the environment.

import type { Parsed } from "./parse.ts";
import type { Path } from "./path.ts";

/** The value of a variable of the environment; undefined where it is not set. */
export type Env = (name: string) => string | undefined;

export interface MissingVariable {
  path: Path;
  name: string;
}

/** Copies `parsed.value` with variables filled in; `$${` stands for a literal `${`. */
export function fillIn(
  parsed: Parsed,
  env: Env,
): { value: unknown; missing: MissingVariable[] } {
  const missing: MissingVariable[] = [];
  const copy = (value: unknown, path: Path): unknown => {
    if (typeof value === "string") {
      return value.replace(/\$\$\{|\$\{([^}]*)\}/g, (whole, name?: string) => {
        if (name === undefined) return "${";
        const found = /^\w+$/.test(name) ? env(name) : undefined;
        if (found === undefined) missing.push({ path, name });
        return found ?? whole;
      });
    }
    if (Array.isArray(value)) return value.map((item, index) => copy(item, [...path, index]));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, copy(item, [...path, key])]),
      );
    }
    return value;
  };
  return { value: copy(parsed.value, []), missing };
}
