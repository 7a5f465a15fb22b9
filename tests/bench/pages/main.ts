// What the dashboard takes: the list of 100,000 requests and its filters, the first paint of its pages in
// Chromium, and 50 people who watch 50 instances of 20 models: `deno task bench:pages`, best on a machine that
// does nothing else.

import { parseArgs } from "node:util";
import { browserPath, startBrowser } from "../../dashboard/browser.ts";
import { type GatewayProcess, startGateway } from "../../support/processes.ts";
import { cpuSeconds } from "../process_tree.ts";
import { RARE, writeStories } from "./stories.ts";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "100000" },
    rounds: { type: "string", default: "50" },
    viewers: { type: "string", default: "50" },
  },
});
const rounds = Number(values.rounds);

/** What is asked of the list, by what it is about. */
const QUERIES = {
  "no filter": "",
  "the largest page": "count=500",
  "one model of 20": "model=model-7",
  "one instance of 50": "instance=gpu-7",
  "one client of 200": "client=10.0.3.7",
  "status 5xx": "status=5xx",
  "went elsewhere": "outcome=failed_over",
  "slower than 20 s": "slow=20000",
  "text of 1 % of the errors": "text=ran+out+of+memory",
  "text said ten times": `text=${encodeURIComponent(RARE)}`,
  "text that nobody said": "text=zzz",
  "a client that never came": "client=192.0.2.1",
};

const sorted = (times: number[]) => times.toSorted((a, b) => a - b);
const at = (times: number[], share: number) =>
  sorted(times)[Math.min(times.length - 1, Math.floor(times.length * share))];
const ms = (time: number) => time.toFixed(1).padStart(8);

const FLEET = Array.from({ length: 50 }, (_, n) => ({
  name: `gpu-${n}`,
  url: `http://127.0.0.1:${2100 + n}/v1`,
  model_name: [`model-${n % 20}`, `model-${(n + 7) % 20}`],
}));

await using gateway = await startGateway({
  config: { instances: FLEET, health_check: false, admin: { local: true } },
});
await writeStories(gateway.dataDir, Number(values.requests));
await list(gateway);
await watched(gateway);
if (browserPath() === null) console.log("\nno Chromium here: first paint is not measured");
else await painted(gateway);

/** Asks for one page and takes its time, in milliseconds. */
async function page(
  query: string,
): Promise<{ took: number; cursor: string | null; found: number }> {
  const began = performance.now();
  const response = await fetch(`${gateway.url}/dashboard/api/requests?${query}`);
  const { cursor, requests } = await response.json();
  if (!response.ok) throw new Error(`${query}: ${response.status}`);
  return { took: performance.now() - began, cursor, found: requests.length };
}

async function list({ pid }: GatewayProcess): Promise<void> {
  console.log(`${values.requests} requests, milliseconds for a page (JSON, over loopback)\n`);
  const heads = ["p50", "p99", "CPU", "found", "pages", "all"];
  console.log(`${"".padEnd(28)}${heads.map((head) => head.padStart(8)).join("")}`);
  for (const [about, query] of Object.entries(QUERIES)) {
    for (let n = 0; n < 10; n++) await page(query);
    const before = await cpuSeconds(pid);
    const times: number[] = [];
    for (let n = 0; n < rounds; n++) times.push((await page(query)).took);
    const cpu = (await cpuSeconds(pid) - before) * 1000 / rounds;
    const whole = await toTheEnd(query);
    console.log(
      `${about.padEnd(28)}${ms(at(times, 0.5))}${ms(at([...times, ...whole.times], 0.99))}${
        ms(cpu)
      }` +
        `${String(whole.found).padStart(8)}${String(whole.times.length).padStart(8)}` +
        ms(whole.times.reduce((sum, time) => sum + time, 0)),
    );
  }
}

/** All pages, one after the other. */
async function toTheEnd(query: string): Promise<{ times: number[]; found: number }> {
  const times: number[] = [];
  let found = 0;
  for (let cursor: string | null = ""; cursor !== null;) {
    const one = await page(`${query}&cursor=${cursor}`);
    times.push(one.took);
    found += one.found;
    cursor = one.cursor;
  }
  return { times, found };
}

/** Figures of a fleet for many who watch it, each second. */
async function watched({ url, pid }: GatewayProcess): Promise<void> {
  const SECONDS = 10;
  const idle = await cpuIn(pid, SECONDS);
  const ending = new AbortController();
  const lags: number[] = [];
  let bytes = 0;
  const watching = Array.from({ length: Number(values.viewers) }, async () => {
    const response = await fetch(`${url}/dashboard/api/live`, { signal: ending.signal });
    const decoder = new TextDecoder();
    try {
      for await (const piece of response.body!) {
        bytes += piece.length;
        const time = /"time":"([^"]+)"/.exec(decoder.decode(piece))?.[1];
        if (time !== undefined) lags.push(Date.now() - Date.parse(time));
      }
    } catch (error) {
      if (!ending.signal.aborted) throw error;
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 2000));
  lags.length = 0;
  bytes = 0;
  const busy = await cpuIn(pid, SECONDS);
  ending.abort();
  await Promise.all(watching);
  console.log(
    `\n${values.viewers} viewers of ${FLEET.length} instances and 20 models: ` +
      `${(busy * 1000).toFixed(0)} ms of CPU a second (${(idle * 1000).toFixed(0)} with none), ` +
      `${Math.round(bytes / lags.length / 1000)} kB a second each, ` +
      `seen ${at(lags, 0.5)} ms after they were taken, p99 ${at(lags, 0.99)} ms`,
  );
}

/** CPU seconds in a second, over so many. */
async function cpuIn(pid: number, seconds: number): Promise<number> {
  const before = await cpuSeconds(pid);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return (await cpuSeconds(pid) - before) / seconds;
}

/** Each page with an empty cache: its first paint, and when what it is about is there. */
async function painted({ url }: GatewayProcess): Promise<void> {
  const VIEWS = {
    fleet: "tr[data-instance]",
    requests: ".list a",
    events: ".events li",
    keys: "section.usage",
    config: "main pre",
    playground: "main textarea",
  };
  console.log("\nfirst paint with an empty cache, milliseconds since the navigation\n");
  console.log(
    `${"".padEnd(28)}${["p50", "most", "figures"].map((one) => one.padStart(8)).join("")}`,
  );
  await using started = await startBrowser();
  for (const [view, selector] of Object.entries(VIEWS)) {
    const paints: number[] = [];
    const there: number[] = [];
    for (let n = 0; n < 12; n++) {
      const context = await started.browser.newContext({ viewport: { width: 1280, height: 800 } });
      const page = await context.newPage();
      await page.goto(`${url}/dashboard/#/${view}`, { waitUntil: "commit" });
      await page.waitForSelector(selector);
      there.push(Number(await page.evaluate("performance.now()")));
      // The paint is told a moment after it was.
      await page.waitForFunction(
        "performance.getEntriesByName('first-contentful-paint').length > 0",
      );
      paints.push(
        Number(
          await page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime",
          ),
        ),
      );
      await context.close();
      // The first is the browser's own start.
      if (n === 0) paints.length = there.length = 0;
    }
    console.log(
      `${view.padEnd(28)}${ms(at(paints, 0.5))}${ms(Math.max(...paints))}${ms(at(there, 0.5))}`,
    );
  }
}
