// `serve` where there is no file, and where somebody else has the port.

import assert from "node:assert/strict";
import { join } from "node:path";
import {
  ROOT,
  startGateway,
  startProcess,
  startSimulators,
  temporaryFolder,
} from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

function serve(
  cwd: string,
  args: string[],
  options: { env?: Record<string, string>; narrow?: true } = {},
) {
  const narrow = ["--no-prompt", "--allow-net", "--allow-read", "--allow-write", "--allow-env"];
  return startProcess(Deno.execPath(), {
    args: [
      "run",
      ...options.narrow ? [...narrow, "--allow-sys=statfs,hostname,systemMemoryInfo"] : ["-A"],
      ...["--config", join(ROOT, "deno.json"), join(ROOT, "main.ts"), "serve"],
      ...["--host", "127.0.0.1", ...args],
    ],
    cwd,
    env: options.env,
  });
}

async function ask(url: string, model: string): Promise<Response> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }], max_tokens: 2 }),
  });
  await response.body?.cancel();
  return response;
}

Deno.test("serve --instance needs no file: each instance is asked what it serves", async () => {
  await using home = await temporaryFolder();
  await using simulators = await startSimulators({ count: 2, args: ["--model", "big"] });
  const flags = simulators.urls.flatMap((url) => ["--instance", url]);
  await using gateway = serve(home.path, [...flags, "--port", "0"]);
  const [ready, url] = await gateway.waitForOutput(
    /listening on (http:\S+) \(2 instances, 0 fallbacks; no config file; dashboard at \/dashboard\)/,
  );
  assert.ok(ready);
  const seen = new Set<string | null>();
  for (let round = 0; round < 2; round++) {
    const response = await ask(url, "big");
    assert.equal(response.status, 200);
    seen.add(response.headers.get("x-gateway-instance"));
  }
  assert.equal(seen.size, 2);
  assert.equal((await ask(url, "other")).status, 404);
});

Deno.test("without a file a reload is answered with the reason, and serving goes on", async () => {
  await using home = await temporaryFolder();
  await using simulators = await startSimulators();
  // The file that lies there is not meant.
  await Deno.writeTextFile(join(home.path, "config.jsonc"), "{ this is no configuration");
  await using gateway = serve(home.path, ["--instance", simulators.urls[0], "--port", "0"]);
  const [, url] = await gateway.waitForOutput(/listening on (http:\S+)/);
  gateway.signal("SIGHUP");
  await gateway.waitForOutput(/nothing to reload: .*--instance, without a file/);
  assert.equal((await fetch(`${url}/health`).then((response) => response.json())).status, "ok");
  const shown = await fetch(`${url}/dashboard/api/config`).then((response) => response.json());
  assert.match(shown.file, /--instance/);
  assert.equal((await gateway.stop()).code, 0);
});

Deno.test("an instance that cannot be asked is served by --model, by its neighbours' or not at all", async () => {
  await using home = await temporaryFolder();
  await using simulators = await startSimulators({ args: ["--model", "big"] });
  const dead = "http://127.0.0.1:2";
  const none = await serve(home.path, ["--instance", dead, "--port", "0"]).status;
  assert.equal(none.code, 1);
  for (
    const [args, model] of [
      [["--instance", dead, "--model", "mine"], "mine"],
      [["--instance", dead, "--instance", simulators.urls[0]], "big"],
    ] as const
  ) {
    await using gateway = serve(home.path, [...args, "--port", "0"]);
    const [, url] = await gateway.waitForOutput(/listening on (http:\S+)/);
    assert.match(gateway.stderr(), new RegExp(`refused; taken to serve ${model}`, "i"));
    const health = await fetch(`${url}/health`).then((response) => response.json());
    assert.deepEqual(health.instances[0].models, [model]);
  }
});

Deno.test("the key of --instance is named by --api-key-env, lent to it and shown nowhere", async () => {
  await using home = await temporaryFolder();
  await using simulators = await startSimulators({ args: ["--api-key", "SECRETKEY123"] });
  const flags = ["--instance", simulators.urls[0], "--api-key-env", "MY_KEY", "--port", "0"];
  await using gateway = serve(home.path, flags, { env: { MY_KEY: "SECRETKEY123" } });
  const [, url] = await gateway.waitForOutput(/listening on (http:\S+)/);
  const health = await fetch(`${url}/health`).then((response) => response.json());
  assert.equal((await ask(url, health.instances[0].models[0])).status, 200);
  const shown = await fetch(`${url}/dashboard/api/config`).then((response) => response.text());
  await gateway.stop();
  assert.ok(!(shown + gateway.output()).includes("SECRETKEY123"));
  const unset = await serve(home.path, flags).status;
  assert.equal(unset.code, 1);
});

Deno.test("flags that contradict --instance are refused", async () => {
  await using home = await temporaryFolder();
  for (
    const [args, message] of [
      [["--instance", "http://127.0.0.1:2", "--config", "my.jsonc"], /leave out --config/],
      [["--model", "m"], /--instance, which is missing/],
      [["--instance", "ftp://x"], /--instance: expected an address/],
    ] as const
  ) {
    await using process = serve(home.path, [...args]);
    assert.equal((await process.status).code, 2);
    assert.match(process.stderr(), message);
  }
});

Deno.test("a port that another program has is refused with its name and pid", async () => {
  await using home = await temporaryFolder();
  await using simulators = await startSimulators();
  const [url] = simulators.urls;
  const port = simulators.ports[0];
  await using refused = serve(home.path, ["--instance", url, "--port", String(port)]);
  assert.equal((await refused.status).code, 1);
  const { pid } = simulators.process;
  assert.match(
    refused.stderr(),
    new RegExp(`cannot listen on 127.0.0.1:${port}: \\S+ \\(pid ${pid}\\) has the port; --port`),
  );
  assert.doesNotMatch(refused.stderr(), /takeover/, "no successor of a stranger");
});

Deno.test("a port that another gateway has is refused with its version, start and pid", async () => {
  await using home = await temporaryFolder();
  const config = { instances: [{ url: "http://127.0.0.1:2/v1", model_name: "m" }] };
  await using gateway = await startGateway({ config });
  const port = String(gateway.port);
  await waitFor(async () => (await fetch(`${gateway.url}/health`)).ok || true, "the first gateway");
  for (const narrow of [undefined, true] as const) {
    await using refused = serve(
      home.path,
      ["--instance", "http://127.0.0.1:2", "--model", "m", "--port", port],
      { narrow },
    );
    assert.equal((await refused.status).code, 1);
    assert.match(
      refused.stderr(),
      new RegExp(
        `:${port}: another gateway \\(version \\d+\\.\\d+\\.\\d+, since \\d{4}-\\d\\d-\\d\\d ` +
          `\\d\\d:\\d\\d:\\d\\d, pid ${gateway.pid}\\) has the port; .*--takeover`,
      ),
    );
  }
});

Deno.test("version and pid are told to this host's users alone", async () => {
  const config = { instances: [{ url: "http://127.0.0.1:2/v1", model_name: "m" }] };
  await using gateway = await startGateway({ config });
  const health = (headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}/health`, { headers }).then((response) => response.json());
  assert.equal((await health()).pid, gateway.pid);
  const { version, pid } = await health({ "x-forwarded-for": "203.0.113.9" });
  assert.deepEqual([version, pid], [undefined, undefined]);
});
