// `deno task bench:routing`: time to first token and cache hits by strategy, with the real gateway, real
// sockets and simulated engines whose time runs faster. The routing simulation's workloads a (150 tenants with
// system prompts of 6,000 tokens) and c (nothing shared).

import { parseArgs } from "node:util";
import { startGateway } from "../../support/processes.ts";
import { Engine } from "./engine.ts";
import { randomOf } from "./simulation/random.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    seconds: { type: "string", default: "90" },
    scale: { type: "string", default: "3" },
    instances: { type: "string", default: "8" },
    strategy: {
      type: "string",
      multiple: true,
      default: ["round_robin", "least_connections", "prefix_aware", "bounded_hash"],
    },
    workload: { type: "string", multiple: true, default: ["a", "c"] },
  },
});
const SECONDS = Number(values.seconds);
const SCALE = Number(values.scale);
/** What comes before is not counted: caches are cold. */
const WARM = 0.25;
const BYTES_PER_TOKEN = 4;

interface Arrival {
  /** Seconds of the engines' time. */
  readonly at: number;
  readonly prompt: string;
  readonly answer: number;
}

const textOf = (name: string, tokens: number) =>
  `${name} `.padEnd(tokens * BYTES_PER_TOKEN, `${name} says so much. `);

const workloads: Record<string, { rate: number; next(random: () => number): Omit<Arrival, "at"> }> =
  {
    a: {
      rate: 24,
      next(random) {
        const tenant = Math.floor(random() * 150);
        const suffix = 200 + Math.floor(800 * random());
        const own = textOf(`user${Math.floor(random() * 1e9)}`, suffix);
        return {
          prompt: textOf(`tenant${tenant}`, 6000) + own,
          answer: 80 + Math.floor(240 * random()),
        };
      },
    },
    c: {
      rate: 30,
      next(random) {
        const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
        const tokens = Math.min(24_000, Math.max(16, Math.round(1400 * Math.exp(0.9 * normal))));
        return {
          prompt: textOf(`only${Math.floor(random() * 1e9)}`, tokens),
          answer: 50 + Math.floor(300 * random()),
        };
      },
    },
  };

function arrivalsOf(name: string): Arrival[] {
  const { rate, next } = workloads[name];
  const random = randomOf(1);
  const arrivals: Arrival[] = [];
  for (let at = 0; at < SECONDS; at += -Math.log(1 - random()) / rate) {
    arrivals.push({ at, ...next(random) });
  }
  return arrivals;
}

/** Seconds of the engines' time to the first token. */
async function firstToken(url: string, { prompt, answer }: Arrival): Promise<number> {
  const begun = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "m", prompt, max_tokens: answer, stream: true }),
  });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  const reader = response.body!.getReader();
  await reader.read();
  const seconds = (performance.now() - begun) * SCALE / 1000;
  while (!(await reader.read()).done);
  return seconds;
}

async function measure(workload: string, strategy: string) {
  const engines = Array.from({ length: Number(values.instances) }, () => new Engine(SCALE));
  await using gateway = await startGateway({
    config: {
      instances: engines.map(({ url }, n) => ({ url, model_name: "m", name: `engine-${n}` })),
      load_balancing_strategy: strategy,
      health_check: false,
      record: { enabled: false },
      scrape: { interval: 1 },
      timeouts: { first_byte: 600 },
      log: { level: "warning" },
    },
    args: ["--workers", "1"],
  });
  const begun = performance.now();
  const open: Promise<{ at: number; seconds: number }>[] = [];
  for (const arrival of arrivalsOf(workload)) {
    const inMs = begun + arrival.at * 1000 / SCALE - performance.now();
    if (inMs > 0) await new Promise((resolve) => setTimeout(resolve, inMs));
    const { at } = arrival;
    open.push(firstToken(gateway.url, arrival).then((seconds) => ({ at, seconds })));
  }
  const all = (await Promise.all(open)).filter(({ at }) => at >= WARM * SECONDS);
  const waits = all.map(({ seconds }) => seconds).sort((x, y) => x - y);
  const at = (share: number) => waits[Math.min(waits.length - 1, Math.floor(share * waits.length))];
  const sum = (of: (engine: Engine) => number) => engines.reduce((s, one) => s + of(one), 0);
  const hits = sum((one) => one.hits) / sum((one) => one.tokens);
  for (const engine of engines) await engine.close();
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), hits };
}

console.log("workload  strategy            p50 s   p90 s   p99 s  hits");
for (const workload of values.workload) {
  for (const strategy of values.strategy) {
    const { p50, p90, p99, hits } = await measure(workload, strategy);
    const cells = [p50, p90, p99].map((s) => s.toFixed(2).padStart(7)).join(" ");
    const share = `${(100 * hits).toFixed(0)} %`.padStart(5);
    console.log(`${workload.padEnd(9)} ${strategy.padEnd(18)} ${cells} ${share}`);
  }
}
