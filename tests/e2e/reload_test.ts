// Reloading the configuration while 200 streams are open: none breaks, and what a new file brings is
// served soon, however the file was saved. Single rules of the watcher are left to tests/config.

import assert from "node:assert/strict";
import { rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { configText, type GatewayProcess, startGateway } from "../support/processes.ts";
import { eventsOf } from "../support/sse.ts";
import { chunk, completion, startUpstream, type Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";

const streams = 200;
const chunkEveryMs = 400;

/** An upstream whose streams count up until `finish` resolves, then end properly. */
function countingUpstream(finish: Promise<void>): Upstream {
  let finished = false;
  finish.then(() => finished = true);
  const encoder = new TextEncoder();
  return startUpstream(() => {
    let next = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (next > 0) await new Promise((resolve) => setTimeout(resolve, chunkEveryMs));
        const data = finished ? chunk({}, "stop") : chunk({ content: `${next++} ` });
        controller.enqueue(encoder.encode(`data: ${JSON.stringify(data)}\n\n`));
        if (!finished) return;
        controller.enqueue(encoder.encode("data: [DONE]\n\n"));
        controller.close();
      },
    }, { highWaterMark: 0 });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
}

function config(streaming: Upstream[], added: Upstream, addedModel: string): object {
  return {
    instances: [
      ...streaming.map((upstream) => ({ url: upstream.url, model_name: "streaming" })),
      { url: added.url, model_name: addedModel },
    ],
    timeouts: { idle: 60 },
  };
}

const ask = (model: string, stream: boolean) => ({
  model,
  stream,
  messages: [{ role: "user", content: "Hi" }],
});

/** Milliseconds from the call of `save` until the model that it brings answers. */
async function timeUntilServed(
  gateway: GatewayProcess,
  model: string,
  save: () => Promise<void>,
): Promise<number> {
  const start = performance.now();
  await save();
  await waitFor(
    async () => {
      const response = await gateway.post("/v1/chat/completions", ask(model, false));
      await response.body?.cancel();
      return response.status === 200;
    },
    () => `${model} to be served; log:\n${gateway.output().slice(-3000)}`,
  );
  return performance.now() - start;
}

async function replaceLink(target: string, link: string): Promise<void> {
  await symlink(target, `${link}.new`);
  await rename(`${link}.new`, link);
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { success } = await new Deno.Command(command, { args }).output();
  assert.ok(success, command);
}

/** Saves `text` over `file` in every way that editors and deployments have. */
const ways: {
  name: string;
  save(file: string, text: string, gateway: GatewayProcess, model: string): Promise<void>;
}[] = [
  { name: "a write in place", save: (file, text) => writeFile(file, text) },
  {
    name: "an atomic rename",
    save: async (file, text) => {
      await writeFile(`${file}.tmp`, text);
      await rename(`${file}.tmp`, file);
    },
  },
  {
    name: "sed -i",
    save: (file, _text, _gateway, model) =>
      run("sed", "-i.bak", `s/"model_name": "model-[0-9]*"/"model_name": "${model}"/`, file),
  },
  {
    // A ConfigMap volume: config.jsonc -> ..data/config.jsonc and ..data -> a folder of its own.
    name: "the first ConfigMap link",
    save: async (file, text) => {
      const folder = dirname(file);
      await Deno.mkdir(join(folder, "..1"));
      await writeFile(join(folder, "..1/config.jsonc"), text);
      await symlink("..1", join(folder, "..data"));
      await replaceLink("..data/config.jsonc", file);
    },
  },
  {
    name: "a swap of ..data",
    save: async (file, text) => {
      const folder = dirname(file);
      await Deno.mkdir(join(folder, "..2"));
      await writeFile(join(folder, "..2/config.jsonc"), text);
      await replaceLink("..2", join(folder, "..data"));
    },
  },
  {
    name: "another swap of ..data",
    save: async (file, text) => {
      const folder = dirname(file);
      await Deno.mkdir(join(folder, "..3"));
      await writeFile(join(folder, "..3/config.jsonc"), text);
      await replaceLink("..3", join(folder, "..data"));
      await Deno.remove(join(folder, "..2"), { recursive: true });
    },
  },
  {
    name: "SIGHUP",
    save: async (file, text, gateway) => {
      await writeFile(join(dirname(file), "..3/config.jsonc"), text);
      Deno.kill(gateway.pid, "SIGHUP");
    },
  },
];

/** Texts that are no configuration, each with its mistake on line `line`. */
function badText(line: number): string {
  const padding = "\n".repeat(line - 1);
  const kinds = [
    `${padding}{ "instances": [ }`,
    `${padding}{ "instances": "none" }`,
    `${padding}{ "instances": [{ "url": "http://127.0.0.1:1/v1", "model_name": "x", "wieght": 1 }] }`,
    `${padding}{ "instances": [{ "url": "ftp://nowhere", "model_name": "x" }] }`,
    `${padding}{ "error_treshold": 3, "instances": [] }`,
  ];
  return kinds[line % kinds.length];
}

Deno.test("reloads under 200 live streams break none and serve what is new, however it is saved", async () => {
  const finish = Promise.withResolvers<void>();
  await using first = countingUpstream(finish.promise);
  await using second = countingUpstream(finish.promise);
  await using added = startUpstream(() => completion("new"));
  await using gateway = await startGateway({
    config: config([first, second], added, "model-0") as never,
    configFile: "etc/config.jsonc",
  });
  const file = gateway.configPath;

  const answers = Array.from({ length: streams }, async () => {
    const response = await gateway.post("/v1/chat/completions", ask("streaming", true));
    assert.equal(response.status, 200);
    return eventsOf(await response.text());
  });
  await waitFor(() => first.seen.length + second.seen.length === streams, "200 streams to be open");

  const figures: string[] = [];
  for (const [index, way] of ways.entries()) {
    const model = `model-${index + 1}`;
    const text = configText(config([first, second], added, model) as never, gateway.dataDir);
    const ms = await timeUntilServed(
      gateway,
      model,
      () => way.save(file, text, gateway, model),
    );
    figures.push(`${way.name} ${ms.toFixed(0)} ms`);
  }
  console.log(`from save to served: ${figures.join(", ")}`);

  // Fifty bad files in a row: reported where they are wrong, and nothing else happens.
  const good = await Deno.readTextFile(file);
  for (let line = 2; line <= 51; line++) {
    await writeFile(file, badText(line));
    await waitFor(
      () => new RegExp(`config\\.jsonc:${line}:\\d+`).test(gateway.output()),
      () => `a report of line ${line}; log:\n${gateway.output().slice(-2000)}`,
    );
  }
  const last = `model-${ways.length}`;
  const response = await gateway.post("/v1/chat/completions", ask(last, false));
  assert.equal(response.status, 200, await response.text());
  await timeUntilServed(
    gateway,
    "model-99",
    () => writeFile(file, good.replaceAll(last, "model-99")),
  );

  let health = await gateway.health();
  // What was asked last ends behind its answer.
  await waitFor(async () => {
    health = await gateway.health();
    return health.inFlight.reduce((sum, count) => sum + count, 0) === streams;
  }, () => `the streams to be all that runs: ${health.text}`);
  assert.ok(![...first.seen, ...second.seen].some((seen) => seen.aborted), "no stream was cut");
  finish.resolve();
  for (const events of await Promise.all(answers)) {
    assert.equal(events.pop(), "[DONE]");
    assert.equal(JSON.parse(events.pop()!).choices[0].finish_reason, "stop");
    const said = events.map((data) => JSON.parse(data).choices[0].delta.content).join("");
    assert.equal(said, events.map((_, index) => `${index} `).join(""));
  }
  await waitFor(
    async () => (await gateway.health()).inFlight.every((count) => count === 0),
    "all in-flight counts to be zero",
  );
});
