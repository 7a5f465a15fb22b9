// A new process takes over the port while streams run: none of them breaks, none is lost to the records.

import assert from "node:assert/strict";
import { startGateway, startSimulators } from "../support/processes.ts";
import { chatText, readSse, type SseAnswer } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";

const STREAMS = 200;
const TOKENS = 40;

Deno.test("a gateway takes over from another under 200 streams, and none breaks", async () => {
  await using simulators = await startSimulators({ count: 2, args: ["--tokens-per-second", "40"] });
  const dataDir = await Deno.makeTempDir({ prefix: "gateway-takeover-" });
  const config = {
    instances: simulators.urls.map((url) => ({ url, model_name: "demo" })),
    data_dir: dataDir,
    health_check: false,
  };
  await using old = await startGateway({ config });
  const request = {
    model: "demo",
    stream: true,
    max_tokens: TOKENS,
    ignore_eos: true,
    messages: [{ role: "user", content: "go on" }],
  };
  const post = () => old.post("/v1/chat/completions", request);
  // A connection that the kernel resets before the gateway has seen it is made again, as every client
  // of the API does; an answer that has begun must never break.
  const ask = async (): Promise<SseAnswer> =>
    await readSse(
      await post().catch((error) => {
        if (error instanceof TypeError) return post();
        throw error;
      }),
    );
  // Each is awaited below; one that fails before must not end the process.
  const watched = (answer: Promise<SseAnswer>) => {
    answer.catch(() => {});
    return answer;
  };
  // Instances stand still until all streams run and the takeover has begun, however slow the machine is.
  simulators.process.signal("SIGSTOP");
  const answers: Promise<SseAnswer>[] = Array.from({ length: STREAMS }, () => watched(ask()));
  await waitFor(async () => {
    const health = await (await fetch(`${old.url}/health`)).json();
    const running = health.instances.reduce(
      (sum: number, one: { in_flight: number }) => sum + one.in_flight,
      0,
    );
    return running === STREAMS;
  }, "all streams to run");

  await using successor = await startGateway({
    config,
    args: ["--port", String(old.port), "--takeover"],
  });
  old.signal("SIGUSR2");
  simulators.process.signal("SIGCONT");
  assert.equal(successor.port, old.port);
  for (let i = 0; i < 100; i++) answers.push(watched(ask()));
  const { code } = await old.process.status;
  assert.equal(code, 0, old.output());
  for (let i = 0; i < 20; i++) answers.push(watched(ask()));

  for (const answer of await Promise.all(answers)) {
    assert.equal(answer.error, null);
    assert.ok(answer.done, JSON.stringify(answer.json.at(-1)));
    assert.notEqual(chatText(answer).content, "");
  }
  assert.equal((await successor.stop(60_000)).code, 0);
  const ids = new Set<string>();
  let lines = 0;
  for await (const { name } of Deno.readDir(`${dataDir}/requests_responses`)) {
    const text = await Deno.readTextFile(`${dataDir}/requests_responses/${name}`);
    for (const line of text.split("\n").slice(0, -1)) {
      lines++;
      ids.add(JSON.parse(line).id);
    }
  }
  assert.equal(lines, answers.length);
  assert.equal(ids.size, answers.length);
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("a second gateway on the port is refused, unless it takes over", async () => {
  await using simulators = await startSimulators({ count: 1 });
  const config = { instances: [{ url: simulators.urls[0], model_name: "demo" }] };
  await using first = await startGateway({ config });
  await assert.rejects(
    startGateway({ config, args: ["--port", String(first.port)] }),
    /cannot listen/,
  );
  assert.equal((await fetch(`${first.url}/health`)).status, 200);
});
