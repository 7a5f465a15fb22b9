// Where a value is in a configuration, and what stands there.

/** A value's path in the file: keys and indexes. */
export type Path = readonly (string | number)[];

/** `instances[0].url` */
export function dotted(path: Path): string {
  if (path.length === 0) return "the file";
  return path.map((key, index) =>
    typeof key === "number" ? `[${key}]` : index === 0 ? key : `.${key}`
  ).join("");
}

/** undefined where there is nothing. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const key of path) {
    if (value === null || typeof value !== "object") return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}
