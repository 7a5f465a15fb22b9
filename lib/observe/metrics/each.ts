// Metrics with one line, or a few, for each of something that has a name: instances, models.

import type { Look, Metric, Sample } from "./metric.ts";

/** Of each of what `found` gives, by its name in `label`, a gauge; none where its value is null. */
export function gaugesOf<One extends { readonly name: string }>(
  label: string,
  found: (look: Look) => Iterable<One>,
): (name: string, help: string, value: (one: One) => number | null) => Metric {
  return (name, help, value) => ({
    name,
    type: "gauge",
    help,
    labels: [label],
    *read(look) {
      for (const one of found(look)) {
        const sample = value(one);
        if (sample !== null) yield { labels: { [label]: one.name }, value: sample };
      }
    },
  });
}

/** The same for counters, whose `samples` may have labels of their own. */
export function countersOf<One>(
  label: string,
  found: (look: Look) => Iterable<readonly [name: string, one: One]>,
): (
  name: string,
  help: string,
  labels: readonly string[],
  samples: (one: One) => readonly Sample[],
) => Metric {
  return (name, help, more, samples) => ({
    name,
    type: "counter",
    help,
    labels: [label, ...more],
    *read(look) {
      for (const [of, one] of found(look)) {
        for (const { labels, value } of samples(one)) {
          yield { labels: { [label]: of, ...labels }, value };
        }
      }
    },
  });
}
