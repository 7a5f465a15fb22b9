// `init` against real servers: what it writes loads, names what they serve, and a gateway runs on it.

import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig } from "../../lib/config/load.ts";
import { ROOT, startProcess, startSimulators } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

async function folder() {
  const path = await Deno.makeTempDir({ prefix: "gateway-init-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

async function init(cwd: string, args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), "init", ...args],
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

function loaded(text: string, env: Record<string, string> = {}) {
  const result = loadConfig("config.jsonc", text, (name) => env[name]);
  assert.ok(result.ok, JSON.stringify(result));
  return result.config;
}

Deno.test("init asks each instance what it serves, and the gateway runs on what it wrote", async () => {
  using home = await folder();
  await using simulators = await startSimulators({
    count: 2,
    args: ["--model", "big", "--model", "small", "--max-model-len", "4096"],
  });
  const flags = simulators.origins.flatMap((origin) => ["--instance", `${origin}/v1/`]);
  const { code, err } = await init(home.path, [...flags, "--port", "19999", "--host", "127.0.0.1"]);
  assert.equal(code, 0, err);
  assert.match(err, /big \(4096 tokens\), small \(4096 tokens\), vLLM/);
  const text = await Deno.readTextFile(join(home.path, "config.jsonc"));
  const config = loaded(text);
  assert.equal(config.port, 19999);
  assert.deepEqual(config.instances.map(({ models }) => models), [["big", "small"], [
    "big",
    "small",
  ]]);
  assert.match(text, /\/\/ vLLM .*4096/, "what an instance said stands beside it");
  assert.match(text, /"idle": 60, \/\/ without progress/, "every option is explained");

  await using gateway = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), "serve", "--port", "0"],
    cwd: home.path,
  });
  await waitFor(() => /http:\/\/127\.0\.0\.1:\d+/.test(gateway.stderr()), "the ready line");
  const [address] = gateway.stderr().match(/http:\/\/127\.0\.0\.1:\d+/)!;
  const answer = await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "small", messages: [{ role: "user", content: "Hello" }] }),
  });
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
});

Deno.test("the key is read from the environment and never written", async () => {
  using home = await folder();
  await using simulators = await startSimulators({ count: 1, args: ["--api-key", "sesame"] });
  const flags = ["--instance", simulators.origins[0], "--api-key-env", "VLLM_KEY"];
  const unset = await init(home.path, flags);
  assert.equal(unset.code, 1);
  assert.match(unset.err, /`VLLM_KEY` is not set/);
  const { code, out, err } = await init(home.path, [...flags, "--output", "-"], {
    VLLM_KEY: "sesame",
  });
  assert.equal(code, 0, err);
  assert.ok(!out.includes("sesame"));
  assert.equal(loaded(out, { VLLM_KEY: "sesame" }).instances[0].apiKey, "sesame");
});

Deno.test("an instance that cannot be asked needs --model, and stands with the reason", async () => {
  using home = await folder();
  await using simulators = await startSimulators({ count: 1 });
  const [gone] = simulators.origins;
  await simulators.stop();
  const flags = ["--instance", gone, "--output", "-"];
  const refused = await init(home.path, flags);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /refused/i);
  assert.match(refused.err, /name its model by --model/);
  const { code, out } = await init(home.path, [...flags, "--model", 'od"d']);
  assert.equal(code, 0);
  assert.deepEqual(loaded(out).instances[0].models, ['od"d']);
  assert.match(out, /\/\/ could not be asked for its models: .*refused/i);
});

Deno.test("a server's odd answers neither break the file nor steer the terminal", async () => {
  using home = await folder();
  const answers: Record<string, string> = {
    html: "<html>",
    none: '{"data":[]}',
    odd: JSON.stringify({
      data: [null, { id: 7 }, { id: 'a"\n// b\u001b[31m', max_model_len: "x" }],
    }),
  };
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const [, kind] = new URL(request.url).pathname.split("/");
    return new Response(answers[kind]);
  });
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const run = (kind: string) =>
    init(home.path, ["--instance", `${origin}/${kind}`, "--output", "-"]);
  assert.match((await run("html")).err, /\/v1\/models answered something that is not JSON/);
  assert.match((await run("none")).err, /\/v1\/models names no model/);
  const odd = await run("odd");
  assert.equal(odd.code, 0, odd.err);
  // deno-lint-ignore no-control-regex -- exactly this is looked for
  assert.doesNotMatch(odd.err, /\u001b\[31m/);
  assert.deepEqual(loaded(odd.out).instances[0].models, ['a"\n// b\u001b[31m']);
});

Deno.test("a file that is there is replaced only by --force, and mistakes in flags write nothing", async () => {
  using home = await folder();
  const path = join(home.path, "config.jsonc");
  await Deno.writeTextFile(path, "mine");
  const instance = ["--instance", "http://127.0.0.1:59999", "--model", "m"];
  const kept = await init(home.path, instance);
  assert.equal(kept.code, 1);
  assert.match(kept.err, /is there already; --force replaces it/);
  assert.equal(await Deno.readTextFile(path), "mine");
  for (
    const [flags, message] of [
      [["--port", "x"], /--port: expected 1 to 65535/],
      [["--instance", "ftp://a"], /--instance: expected an address/],
      [["--fallback", "http://"], /--fallback: expected an address/],
      [["--api-key-env", "a-b"], /--api-key-env: expected the name/],
    ] as const
  ) {
    const { code, err } = await init(home.path, [...instance, ...flags, "--force"]);
    assert.equal(code, 2, err);
    assert.match(err, message);
    assert.equal(await Deno.readTextFile(path), "mine");
  }
  assert.equal((await init(home.path, [...instance, "--force"])).code, 0);
  loaded(await Deno.readTextFile(path));
});
