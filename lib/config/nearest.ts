// The known name that a mistyped one probably means.

/** The nearest of `known` within a third of its length, else one that goes on from it, or null. */
export function nearest(name: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Infinity;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate);
    if (distance < least && distance <= Math.max(2, candidate.length / 3)) {
      best = candidate;
      least = distance;
    }
  }
  // `model` for `model_name`, `cpu` for `per_cpu`, `least_conn` for `least_connections`.
  return best ?? (name === "" ? null : known.find((one) => /^[-_.]/.test(rest(one, name))) ??
    known.find((one) => one.endsWith(`_${name}`) || one.endsWith(`-${name}`)) ??
    known.find((one) => name.length >= 4 && one.startsWith(name)) ?? null);
}

/** What follows `begin` in `text`; "" where it does not begin so. */
function rest(text: string, begin: string): string {
  return text.startsWith(begin) ? text.slice(begin.length) : "";
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(
        next[j - 1] + 1,
        row[j] + 1,
        row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    }
    row = next;
  }
  return row[b.length];
}
