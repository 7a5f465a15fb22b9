// How the configuration names several things at once: routes, models, keys.

/** Whether `pattern`, a name or a beginning that ends in `*`, means `name`. */
export function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
