// The example of docs/guides/embedding.md, run as it is written there, and what a program that embeds the
// gateway relies on beyond it.

import assert from "node:assert/strict";
import { join } from "node:path";
import { openGateway, toFetchHandler } from "../../lib/process/embedded.ts";
import { startSimulators } from "../support/processes.ts";
import { freePort } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";

const JSON_TYPE = { "content-type": "application/json" };
const ROOT = join(import.meta.dirname!, "../..");

function configFor(url: string): string {
  return JSON.stringify({ instances: [{ url, model_name: "demo" }] });
}

function chat(url: string, stream: boolean): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify({
      model: "demo",
      stream,
      max_tokens: 8,
      messages: [{ role: "user", content: "hello" }],
    }),
  });
}

Deno.test("the example of the embedding guide serves streams and whole answers", async () => {
  await using simulators = await startSimulators({ count: 1 });
  const folder = await Deno.makeTempDir({ prefix: "gateway-embedding-" });
  const guide = await Deno.readTextFile(join(ROOT, "docs/guides/embedding.md"));
  const example = /^```ts\n([\s\S]*?)^```$/m.exec(guide)![1];
  const port = freePort();
  await Deno.writeTextFile(join(folder, "config.jsonc"), configFor(simulators.urls[0]));
  await Deno.writeTextFile(
    join(folder, "main.ts"),
    example.replace("./simple-ai-gateway/", `${ROOT}/`).replace("8080", String(port)),
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", join(ROOT, "deno.json"), "main.ts"],
    cwd: folder,
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let said = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) said += text;
  })();
  try {
    const url = `http://127.0.0.1:${port}`;
    const front = () => fetch(url).then((response) => response.text(), () => "");
    await waitFor(async () => await front() === "models live below /v1\n", "the program to listen");
    const whole = await chat(url, false);
    assert.equal((await whole.json()).choices[0].finish_reason, "length");
    const stream = await chat(url, true);
    assert.match(await stream.text(), /data: \[DONE\]\n\n$/);
    await waitFor(() => said.split(" 200 complete").length === 3, () => `two accounts: ${said}`);
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await reading;
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a configuration that will not do is told with every problem", () => {
  assert.throws(
    () => openGateway('{ "instances": [{ "url": "ftp://a", "model_name": "m" }], "prot": 1 }'),
    /http:\/\/ or https:\/\/[\s\S]*prot/,
  );
});

Deno.test("a plugin in a sandbox is refused: its isolate would be this program once more", async () => {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, "export default { prompt: () => 'pass' };");
  try {
    const policies = [{ name: "own", type: "plugin", file }];
    const instances = [{ url: "http://127.0.0.1:8000", model_name: "demo" }];
    assert.throws(
      () => openGateway(JSON.stringify({ instances, policies })),
      /`own`.*trusted: true/,
    );
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("a client that leaves frees its instance, whoever serves", async () => {
  await using simulators = await startSimulators({ count: 1, args: ["--ttft", "30"] });
  const told: string[] = [];
  await using gateway = openGateway(configFor(simulators.urls[0]), {
    onFinished: ({ outcome, error }) => void told.push(`${outcome} ${error}`),
  });
  const aborter = new AbortController();
  const answer = toFetchHandler(gateway.handle);
  const request = new Request("http://gateway/v1/chat/completions", {
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify({ model: "demo", messages: [{ role: "user", content: "hello" }] }),
    signal: aborter.signal,
  });
  const remoteAddr = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;
  const answered = answer(request, { remoteAddr });
  await waitFor(
    async () => (await simulators.requests(0)).some(({ method }) => method === "POST"),
    "the instance to be asked",
  );
  aborter.abort();
  await waitFor(() => told.length === 1, "the request to be over");
  assert.deepEqual(told, ["aborted the client left"]);
  // Nobody is there to read it, but a promise that never settles would be kept for ever.
  assert.equal((await answered).status, 499);
});
