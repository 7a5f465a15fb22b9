// GET /metrics: what the tally holds, in Prometheus' text form. Nothing is counted here; a scrape reads
// what there is, and a request pays nothing for it.

import { Gauge, Registry } from "prom-client";
import { USUAL_CATALOG } from "./metrics/catalog.ts";
import type { Look, Metric } from "./metrics/metric.ts";
import { routingMetrics } from "./metrics/routing.ts";

/** Values of one metric as prom-client's registry asks for them. */
type Values = Awaited<ReturnType<Gauge["get"]>>;

export class Metrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #always = this.#registryOf(USUAL_CATALOG);
  readonly #routing = this.#registryOf(routingMetrics);
  #look: Look | null = null;

  /** The whole text at the moment of `look`. */
  async text(look: Look): Promise<string> {
    // The registries read every metric before they wait for the first time.
    this.#look = look;
    const registries = look.routing === null ? [this.#always] : [this.#always, this.#routing];
    return (await Promise.all(registries.map((registry) => registry.metrics()))).join("");
  }

  #registryOf(metrics: readonly Metric[]): Registry {
    const registry = new Registry();
    for (const metric of metrics) registry.registerMetric(new Reading(metric, () => this.#look!));
    return registry;
  }
}

/** A metric whose values are not kept by the library but read where they are counted. */
class Reading extends Gauge {
  constructor(private readonly metric: Metric, private readonly look: () => Look) {
    const { name, help, labels } = metric;
    super({ name, help, labelNames: [...labels], registers: [] });
  }

  override get(): Promise<Values> {
    const { name, help, type } = this.metric;
    const values = [];
    for (const { labels, value, name: metricName } of this.metric.read(this.look())) {
      values.push({ labels, value, metricName });
    }
    // The library's types have numbers for the words that it writes.
    return Promise.resolve({ name, help, type, values, aggregator: "sum" } as unknown as Values);
  }
}
