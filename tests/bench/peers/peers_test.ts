// The code of `deno task bench:peers`: one short run, and what it says of its figures.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROWS } from "../rows.ts";
import type { Result } from "../table.ts";
import { peersTable, verdict } from "./table.ts";
import { withSection } from "./section.ts";

const ROOT = join(import.meta.dirname!, "../../..");

async function has(command: string, flag: string): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: [flag] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test({
  name: "the gateway is measured beside nginx in one command (needs gcc and nginx)",
  // CI installs both.
  ignore: !(await has("gcc", "--version") && await has("nginx", "-v")),
  async fn() {
    const run = ["--smoke", "--peer", "nginx", "--row", "json-64", "--row", "sse-unpaced"];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--frozen",
        "--lock=tests/deno.lock",
        "tests/bench/peers/main.ts",
        ...run,
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    assert.equal(code, 0, text.decode(stderr));
    const said = text.decode(stdout);
    for (const title of ["JSON, 64 connections", "16 streams, unpaced"]) {
      const table = said.slice(said.indexOf(`### ${title}`));
      for (const name of ["nginx", "gateway"]) {
        assert.match(table, new RegExp(`^\\| ${name} +\\| [\\d.]*[1-9][\\d.]* `, "m"), said);
      }
    }
    assert.match(said, /^- nginx: \d+\.\d+/m);
  },
});

function result(contender: string, row: string, cpuUs: number, rssMiB = 100): Result {
  return {
    contender,
    row: ROWS.find((one) => one.name === row)!,
    cpuUs,
    perSecond: 1000,
    firstMs: [1, 2],
    delayMs: [NaN, NaN],
    memory: { now: rssMiB, peak: rssMiB },
    loadCpuUs: 1,
    wrong: 0,
  };
}

Deno.test("a reach is met or missed by the median of ratios taken run by run", () => {
  const results = [
    ...[100, 200, 100].map((us) => result("vllm-router", "json-64", us)),
    ...[70, 160, 75].map((us) => result("gateway", "json-64", us)),
  ];
  const reach = { row: "json-64", what: "CPU", beside: "vllm-router" } as const;
  assert.match(
    verdict(results, { ...reach, atMost: 0.8 })!,
    /≤ 0.8 × vllm-router \| 0.75 \(0.70 to 0.80\) \| met/,
  );
  assert.match(verdict(results, { ...reach, atMost: 0.5 })!, /missed by 50 %/);
  assert.equal(verdict(results, { ...reach, beside: "envoy", atMost: 1 }), null);
  assert.equal(verdict(results, { ...reach, row: "sse-200", atMost: 1 }), null);
  const rss = { row: "json-64", what: "RSS", beside: null, atMost: 80 } as const;
  assert.match(verdict(results, rss)!, /≤ 80 MiB \| 100 \(100 to 100\) \| missed by 25 %/);
});

Deno.test("what a peer does not tell is a dash, not a figure", () => {
  const table = peersTable([result("direct", "sse-200", 0), result("litellm", "sse-200", 900)]);
  assert.match(table, /\| litellm \| 900.0 \| – \| 1000 \| 0.00 \/ 0.00 \| – \/ – \| 100 \|/);
});

Deno.test("the section takes the place of the one before, and leaves the rest", () => {
  const first = withSection("# Page\n\nBefore.\n", "one");
  assert.match(first, /Before\.\n\n<!-- .*one/s);
  const second = withSection(`${first}\n\n## After\n`, "two");
  assert.match(second, /Before\..*two.*## After/s);
  assert.doesNotMatch(second, /one/);
});
