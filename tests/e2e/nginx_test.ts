// A real nginx in front, configured as little as can be: what it must not open, and that streams come
// through it piece by piece.

import assert from "node:assert/strict";
import { join } from "node:path";
import { freePort } from "../support/ports.ts";
import { startGateway, startSimulators } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

/** null where no nginx is installed. */
async function startNginx(location: string): Promise<{ url: string } & AsyncDisposable | null> {
  const folder = await Deno.makeTempDir({ prefix: "gateway-nginx-" });
  const port = freePort();
  const path = join(folder, "nginx.conf");
  await Deno.writeTextFile(
    path,
    `worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/error;
events {}
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  server { listen 127.0.0.1:${port}; location / { ${location} } }
}
`,
  );
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("nginx", {
      args: ["-c", path],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const url = `http://127.0.0.1:${port}`;
  await waitFor(
    () => fetch(url).then((response) => response.text().then(() => true), () => false),
    "nginx to listen",
  );
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

const CLOSED = [
  "/dashboard",
  "/dashboard/",
  "/dashboard/api/fleet",
  "/dashboard/api/config",
  "/dashboard/api/records",
  "/dashboard/api/events",
];

for (const token of [null, "s3cret"]) {
  Deno.test(`nginx as it comes opens nothing, ${token === null ? "without" : "with"} a token`, async () => {
    await using simulators = await startSimulators({ count: 1 });
    const config = {
      instances: [{ url: simulators.urls[0], model_name: "demo" }],
      admin: { token, public_metrics: false },
    };
    await using gateway = await startGateway({ config });
    await using nginx = await startNginx(`proxy_pass ${gateway.url};`);
    if (nginx === null) return;
    const direct = await fetch(`${gateway.url}/dashboard/api/fleet`);
    await direct.body?.cancel();
    assert.equal(direct.status, token === null ? 200 : 401);
    for (const path of [...CLOSED, "/metrics"]) {
      const response: Response = await fetch(nginx.url + path, { redirect: "manual" });
      const text = await response.text();
      if (token !== null && !path.startsWith("/dashboard/api") && path !== "/metrics") {
        // The page that asks for the token holds nothing else.
        assert.ok(!text.includes("demo"), path);
        continue;
      }
      assert.equal(response.status, token === null ? 403 : 401, path);
    }
    const health = await (await fetch(`${nginx.url}/health`)).json();
    assert.equal(health.instances[0].url, undefined);
  });
}

Deno.test("admin.local does not take nginx for a user of this host", async () => {
  await using simulators = await startSimulators({ count: 1 });
  await using gateway = await startGateway({
    config: {
      instances: [{ url: simulators.urls[0], model_name: "demo" }],
      admin: { local: true },
    },
  });
  const direct = await fetch(`${gateway.url}/dashboard/api/records`);
  await direct.body?.cancel();
  assert.equal(direct.status, 200);
  for (
    const location of [
      `proxy_pass ${gateway.url};`,
      `proxy_http_version 1.1; proxy_pass ${gateway.url};`,
      `proxy_http_version 1.1; proxy_set_header Connection ""; ` +
      `proxy_set_header X-Forwarded-For $remote_addr; proxy_pass ${gateway.url};`,
      `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host.example; ` +
      `proxy_pass ${gateway.url};`,
    ]
  ) {
    await using nginx = await startNginx(location);
    if (nginx === null) return;
    const response = await fetch(`${nginx.url}/dashboard/api/records`);
    await response.body?.cancel();
    assert.equal(response.status, 403, location);
  }
});

Deno.test("a stream comes through nginx as it comes piece by piece", async () => {
  await using simulators = await startSimulators({
    count: 1,
    args: ["--tokens-per-second", "5"],
  });
  await using gateway = await startGateway({
    config: { instances: [{ url: simulators.urls[0], model_name: "demo" }] },
  });
  await using nginx = await startNginx(`proxy_pass ${gateway.url};`);
  if (nginx === null) return;
  const response = await fetch(`${nginx.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "demo",
      stream: true,
      // It takes eight seconds: whoever holds it back shows nothing before them.
      max_tokens: 40,
      ignore_eos: true,
      messages: [{ role: "user", content: "hello" }],
    }),
  });
  const pieces = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.split('"content"').length < 4) text += (await pieces.read()).value!;
  const asked = (await simulators.requests(0)).filter(({ method }) => method === "POST");
  assert.deepEqual(asked.map(({ finished }) => finished), [false]);
  await pieces.cancel();
});
