// What is shipped for Prometheus and Grafana asks for metrics and labels that exist.

import assert from "node:assert/strict";
import { join } from "node:path";
import { CATALOG } from "../../lib/observe/metrics/catalog.ts";
import { Metrics } from "../../lib/observe/metrics.ts";
import { OUTCOMES, TRY_OUTCOMES } from "../../lib/observe/report.ts";
import { Tally } from "../../lib/observe/tally.ts";
import { ROOT } from "../support/processes.ts";

const RULES = join(ROOT, "deploy/prometheus/alerts.yml");
const SCRAPE = join(ROOT, "deploy/prometheus/prometheus.yml");
const DASHBOARD = join(ROOT, "deploy/grafana/dashboard.json");

/** Every name that a query may use, and the labels of its lines. */
function known(): Map<string, readonly string[]> {
  const names = new Map<string, readonly string[]>();
  for (const { name, type, labels } of CATALOG) {
    if (type === "counter" || type === "gauge") names.set(name, labels);
    else for (const part of ["sum", "count"]) names.set(`${name}_${part}`, labels);
    if (type === "histogram") names.set(`${name}_bucket`, [...labels, "le"]);
  }
  return names;
}

/** Labels that the scrape adds. */
const ADDED = ["job", "gateway"];

function checkQueries(text: string, least: number): void {
  const names = known();
  const used = [...text.matchAll(/\b((?:gateway|process)_\w+)\b(?:\{([^}]*)\})?/g)];
  assert.ok(used.length >= least, `${used.length} names found`);
  for (const [, name, matchers = ""] of used) {
    const labels = names.get(name);
    assert.ok(labels, `${name} is no metric`);
    for (const [, label] of matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) {
      assert.ok([...labels, ...ADDED].includes(label), `${name} has no label ${label}`);
    }
  }
}

/** Values of the label `outcome` that stand in queries. */
function checkOutcomes(text: string): void {
  const outcomes = new Set<string>([...OUTCOMES, ...TRY_OUTCOMES]);
  for (const [, values] of text.matchAll(/outcome(?:=~|!=|=)\\?"([^"\\]*)/g)) {
    for (const value of values.split("|")) assert.ok(outcomes.has(value), value);
  }
}

Deno.test("the alert rules ask for metrics that exist", async () => {
  const text = await Deno.readTextFile(RULES);
  checkQueries(text, 14);
  checkOutcomes(text);
});

Deno.test("the Grafana dashboard asks for metrics that exist, and no two panels lie on each other", async () => {
  const text = await Deno.readTextFile(DASHBOARD);
  const { panels, templating } = JSON.parse(text);
  const queries = [
    ...panels.flatMap((panel: { targets?: { expr: string }[] }) => panel.targets ?? [])
      .map(({ expr }: { expr: string }) => expr),
    ...templating.list.map(({ definition }: { definition?: string }) => definition ?? ""),
  ].join("\n");
  checkQueries(queries, 40);
  checkOutcomes(queries);
  const cells = new Set<string>();
  for (const { title, gridPos: { x, y, w, h } } of panels) {
    assert.ok(x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const cell = `${column}:${line}`;
        assert.ok(!cells.has(cell), `${title} lies on another panel`);
        cells.add(cell);
      }
    }
  }
  assert.equal(new Set(panels.map(({ id }: { id: number }) => id)).size, panels.length);
});

async function promtool(args: string[], input = ""): Promise<{ code: number; said: string }> {
  const child = new Deno.Command("promtool", {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await new Blob([input]).stream().pipeTo(child.stdin);
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { code, said: text.decode(stdout) + text.decode(stderr) };
}

async function isInstalled(): Promise<boolean> {
  try {
    return (await promtool(["--version"])).code === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test({
  name: "promtool accepts the alert rules and the scrape configuration",
  // promtool comes with Prometheus; the tests above do without it.
  ignore: !await isInstalled(),
  async fn() {
    for (const args of [["check", "rules", RULES], ["check", "config", SCRAPE]]) {
      const { code, said } = await promtool(args);
      assert.equal(code, 0, said);
    }
  },
});

Deno.test({
  name: "promtool finds nothing to say about the names and words of a fresh gateway's metrics",
  // As above.
  ignore: !await isInstalled(),
  async fn() {
    const tally = new Tally(0);
    tally.configure({ instances: [{ name: "a", models: ["m"] }] });
    const text = await new Metrics().text({
      tally,
      instances: [{ name: "a", state: "healthy", inFlight: 0, maxConcurrency: 1 }],
      models: [{ name: "m", waiting: 0, available: 1 }],
      records: { written: 0, dropped: 0, failed: 0, queued: 0, diskFreeBytes: 1 },
      usage: null,
      sharedState: null,
      discovery: [],
      routing: null,
      peers: null,
      process: { residentBytes: 1, cpuSeconds: 1, openFiles: 1 },
      version: "1.0.0",
      workers: 1,
      saturatedWorkers: 0,
      turnedAway: { open_files: 0, per_address: 0 },
      bodies: { heldBytes: 0, refused: 0 },
    });
    assert.deepEqual(await promtool(["check", "metrics"], text), { code: 0, said: "" });
  },
});

Deno.test("docs/metrics.md lists every metric as it is", async () => {
  const text = await Deno.readTextFile(join(ROOT, "docs/metrics.md"));
  const rows = text.split("\n").filter((row) => /^\| `(gateway|process)_/.test(row))
    .map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
  assert.deepEqual(
    rows,
    CATALOG.map(({ name, type, labels, help }) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(", "),
      help,
    ]),
  );
  checkQueries(blocksOf(text), 5);
});

/** The queries of a document. */
function blocksOf(text: string): string {
  return [...text.matchAll(/^```promql\n([\s\S]*?)^```$/gm)].map(([, block]) => block).join("\n");
}
