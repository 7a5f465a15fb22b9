// `check --live` against real servers: it finds what would answer every request with an error.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, startProcess, startSimulators, temporaryFolder } from "../support/processes.ts";

interface Entry {
  url: string;
  model_name: string | string[];
  name?: string;
  api_key?: string;
  upstream_model?: string;
}

async function checked(instances: Entry[], env: Record<string, string> = {}) {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(join(folder.path, "config.jsonc"), JSON.stringify({ instances }));
  await using child = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), "check", "--live"],
    cwd: folder.path,
    env,
  });
  const { code } = await child.status;
  return { code, lines: child.stderr().trim().split("\n") };
}

Deno.test("instances that serve what they are listed for are ok, by their own names for it", async () => {
  await using simulators = await startSimulators({ count: 2, args: ["--model", "big"] });
  const [first, second] = simulators.urls;
  const { code, lines } = await checked([
    { url: first, model_name: "big", name: "gpu-1" },
    { url: second, model_name: ["large", "largest"], upstream_model: "big", name: "gpu-20" },
  ]);
  assert.equal(code, 0, lines.join("\n"));
  assert.equal(lines[0], "config.jsonc: ok, 2 instances");
  assert.match(lines[1], /^gpu-1 {3}ok, serves `big`, vLLM \d/);
  assert.match(lines[2], /^gpu-20 {2}ok, serves `big`, vLLM \d/);
});

Deno.test("a model that an instance lacks is named beside those that it has", async () => {
  await using simulators = await startSimulators({ count: 1, args: ["--model", "big"] });
  const [url] = simulators.urls;
  const { code, lines } = await checked([{ url, model_name: ["big", "bigger"], name: "gpu-1" }]);
  assert.equal(code, 1);
  assert.match(
    lines[1],
    /^gpu-1 {2}does not serve `bigger`: it serves `big` \(see `upstream_model`\)$/,
  );
});

Deno.test("a key that is refused is told in the instance's words, and never shown", async () => {
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const key = request.headers.get("authorization");
    return Response.json({ error: { message: `no such key: ${key}` } }, { status: 401 });
  });
  const url = `http://127.0.0.1:${server.addr.port}/v1`;
  const refused = await checked(
    [{ url, model_name: "m", name: "gpu-1", api_key: "${VLLM_KEY}" }],
    { VLLM_KEY: "outdated-secret" },
  );
  assert.equal(refused.code, 1);
  assert.match(
    refused.lines[1],
    /refuses the `api_key` of the file: .*401: no such key: Bearer \*+$/,
  );
  assert.ok(!refused.lines.join().includes("outdated-secret"));
  const none = await checked([{ url, model_name: "m", name: "gpu-1" }]);
  assert.equal(none.code, 0, "clients bring their own");
  assert.match(none.lines[1], /asks for a key and the file has none, so clients must send theirs/);
});

Deno.test("every instance is asked, whatever becomes of the others", async () => {
  await using simulators = await startSimulators({ count: 2 });
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => Response.json({ detail: "Not Found" }, { status: 404 }),
  );
  const [gone, good] = simulators.urls;
  await simulators.fail(0, "refuse");
  const { code, lines } = await checked([
    { url: gone, model_name: "demo", name: "gone" },
    { url: `http://127.0.0.1:${server.addr.port}/llm/v1`, model_name: "demo", name: "odd" },
    { url: good, model_name: "demo", name: "good" },
  ]);
  assert.equal(code, 1);
  assert.match(lines[1], /^gone {2}.*refused/i);
  assert.match(lines[2], /^odd {3}\/v1\/models answered 404: Not Found$/);
  assert.match(lines[3], /^good {2}ok/);
});
