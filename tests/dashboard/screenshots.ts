// `deno task screenshots`: takes docs/screenshots/ of the dashboard, in front of simulated instances
// under a steady load, one of which fails for a while.

import { join } from "node:path";
import { ROOT, startGateway, startSimulators } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { openPage, type PageOptions, startBrowser } from "./browser.ts";

const FOLDER = join(ROOT, "docs/screenshots");
/** Long enough to fill the curves, which show two minutes. */
const LOAD_S = 125;

const TALKS = [
  {
    model: "deepseek-r1",
    question: "Why does the KV cache make decoding fast?",
    answer:
      "<think>They ask about decoding. The point is what need not be computed again.</think>" +
      "Each new token attends to all earlier ones. Their keys and values do not change, so they " +
      "are computed once and kept: a step then costs one token's work instead of the whole " +
      "sequence's. The price is memory, which grows with every token and every request.",
  },
  {
    model: "qwen3-32b",
    question: "用一句话解释什么是负载均衡。",
    answer: "负载均衡就是把请求分给多台服务器，让每一台都不过载，坏掉一台也不影响使用。",
  },
  {
    model: "llama-3.3-70b",
    question: "Rewrite politely: send me the report now",
    answer: "Could you please send me the report when you have a moment? Thank you!",
  },
];

/** Simulated instances that always give this answer. */
function simulators(answer: string, count: number) {
  const pace = ["--ttft", "0.12", "--tokens-per-second", "55"];
  return startSimulators({ count, args: ["--answer", answer, ...pace] });
}

async function take(): Promise<void> {
  await using first = await simulators(TALKS[0].answer, 4);
  await using second = await simulators(TALKS[1].answer, 2);
  await using third = await simulators(TALKS[2].answer, 1);
  const entry = (name: string, url: string, model_name: string, more = {}) => ({
    name,
    url,
    model_name,
    upstream_model: "demo",
    max_concurrency: 64,
    ...more,
  });
  await using gateway = await startGateway({
    config: {
      // The records are on one of the pictures.
      admin: { local: true },
      error_threshold: 3,
      error_window: 120,
      // Long enough for all pictures.
      ejection_time: 120,
      max_ejection_time: 120,
      slow_start: 5,
      health_check: { interval: 1, path: "/health", timeout: 1 },
      instances: [
        entry("gpu-1", first.urls[0], "deepseek-r1"),
        entry("gpu-2", first.urls[1], "deepseek-r1"),
        entry("gpu-3", first.urls[2], "deepseek-r1", { weight: 2 }),
        entry("gpu-4", second.urls[0], "qwen3-32b"),
        entry("gpu-5", second.urls[1], "qwen3-32b"),
        entry("gpu-6", third.urls[0], "llama-3.3-70b"),
      ],
      fallback_instances: [entry("vendor", first.urls[3], "deepseek-r1")],
    },
  });

  let loading = true;
  const asking = new Set<Promise<unknown>>();
  const load = (async () => {
    for (let turn = 0; loading; turn++) {
      const { model, question } = TALKS[[0, 1, 0, 2, 0, 1][turn % 6]];
      const request = gateway.post("/v1/chat/completions", {
        model,
        stream: true,
        stream_options: { include_usage: true },
        messages: [{ role: "user", content: question }],
      }).then((response) => response.text());
      asking.add(request);
      request.finally(() => asking.delete(request));
      const wave = 1.3 + 0.5 * Math.sin(turn / 90) + Math.random();
      await new Promise((resolve) => setTimeout(resolve, 90 * wave));
    }
  })();

  await using started = await startBrowser();
  const open = async (path: string, options: PageOptions) => {
    const { page } = await openPage(started.browser, `${gateway.url}/dashboard/${path}`, options);
    await page.waitForSelector(".connection.live");
    return page;
  };
  const shoot = async (
    name: string,
    path: string,
    options: PageOptions,
    opened?: { link: string; whole: string },
  ) => {
    const page = await open(path, options);
    await page.waitForSelector("main section");
    if (opened !== undefined) {
      await page.locator(opened.link).first().click();
      await page.waitForSelector(opened.whole);
      await page.mouse.move(0, 0);
    }
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(FOLDER, `${name}.png`) });
    console.log(`docs/screenshots/${name}.png`);
    await page.context().close();
  };

  const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));
  await seconds(LOAD_S * 0.7);
  await first.fail(1, "cut:12", { count: 1 });
  await seconds(LOAD_S * 0.25);
  // It stays out while the pictures are taken.
  await first.fail(1, "500", { count: 100 });
  await seconds(LOAD_S * 0.05);
  const size = { width: 1280, height: 964 };
  await Deno.mkdir(FOLDER, { recursive: true });
  const out = async () => {
    const { instances } = await (await fetch(`${gateway.url}/dashboard/api/fleet`)).json();
    return instances.some(({ state }: { state: string }) => state === "ejected");
  };
  await waitFor(out, "an instance that is out");
  await shoot("fleet-light", "#/fleet", size);
  await shoot("fleet-dark", "#/fleet", { ...size, colorScheme: "dark" });
  const low = { ...size, height: 640 };
  await shoot("records", "#/records", low, {
    link: ".list a:has-text('KV cache')",
    whole: ".reader .message",
  });
  await shoot("requests", "#/requests/outcome=resumed", low, {
    link: ".list a",
    whole: ".timeline",
  });
  await shoot("phone", "#/fleet", { width: 390, height: 844, locale: "zh-CN" });
  loading = false;
  await load;
  await Promise.allSettled(asking);
}

if (import.meta.main) await take();
