// External fallbacks: TLS, and the proxy that the environment names.

import assert from "node:assert/strict";
import { hasOpenssl } from "../support/certificates.ts";
import { startGateway } from "../support/processes.ts";

const answer = {
  id: "x",
  object: "chat.completion",
  choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }],
};
const ask = { model: "m", messages: [{ role: "user", content: "hello" }] };

async function openssl(cwd: string, command: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-c", command],
    cwd,
    stderr: "piped",
    stdout: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** An authority and a certificate of its own for localhost, in `folder`. */
async function makeCertificates(folder: string): Promise<void> {
  await openssl(
    folder,
    `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
       -subj /CN=test-ca -keyout ca.key -out ca.pem &&
     openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
       -keyout leaf.key -out leaf.csr &&
     printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\nbasicConstraints=CA:FALSE' > leaf.ext &&
     openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
       -extfile leaf.ext -out leaf.pem`,
  );
}

/** A proxy that knows CONNECT and absolute targets; `asked` are the request lines it saw. */
function startProxy(): AsyncDisposable & { port: number; asked: string[] } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked: string[] = [];
  const open = new Set<Deno.Conn>();
  const serve = async (client: Deno.Conn) => {
    open.add(client);
    const buffer = new Uint8Array(64 * 1024);
    const count = await client.read(buffer) ?? 0;
    const head = new TextDecoder().decode(buffer.subarray(0, count));
    const [line] = head.split("\r\n");
    asked.push(line);
    const [method, target] = line.split(" ");
    const url = new URL(method === "CONNECT" ? `http://${target}` : target);
    const upstream = await Deno.connect({ hostname: "127.0.0.1", port: Number(url.port) });
    open.add(upstream);
    if (method === "CONNECT") {
      await client.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    } else await upstream.write(buffer.subarray(0, count));
    await Promise.allSettled([
      client.readable.pipeTo(upstream.writable),
      upstream.readable.pipeTo(client.writable),
    ]);
  };
  const accepting = (async () => {
    for await (const client of listener) {
      serve(client).catch(() => {
        // The gateway or the test has ended the connection.
      });
    }
  })();
  return {
    port: listener.addr.port,
    asked,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of open) {
        try {
          conn.close();
        } catch {
          // Closed by its pipe already.
        }
      }
    },
  };
}

Deno.test({
  name: "an https fallback answers when the private instance is down, directly and by a proxy",
  ignore: !await hasOpenssl(), // needs Debian's openssl to make certificates
  async fn(t) {
    const folder = await Deno.makeTempDir();
    await makeCertificates(folder);
    const seen: Headers[] = [];
    const server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      cert: await Deno.readTextFile(`${folder}/leaf.pem`),
      key: await Deno.readTextFile(`${folder}/leaf.key`),
      onListen() {},
    }, async (request) => {
      seen.push(new Headers([...request.headers]));
      const { model } = await request.json();
      return Response.json({ ...answer, model });
    });
    const config = {
      instances: [{ url: "http://127.0.0.1:1024/v1", model_name: "m", name: "dead" }],
      fallback_instances: [{
        url: `https://localhost:${server.addr.port}/maas/v1`,
        model_name: "m",
        upstream_model: "big",
        api_key: "external-key",
        name: "external",
      }],
      retry: { max_wait: 0 },
    };
    try {
      for (const proxied of [false, true]) {
        await t.step(proxied ? "by a proxy" : "directly", async () => {
          await using proxy = startProxy();
          await using gateway = await startGateway({
            config,
            env: {
              DENO_CERT: `${folder}/ca.pem`,
              ...(proxied ? { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` } : {}),
            },
          });
          const response = await gateway.post("/v1/chat/completions", ask, {
            headers: { authorization: "Bearer mine" },
          });
          const body = await response.json();
          assert.equal(response.status, 200, JSON.stringify(body));
          assert.equal(response.headers.get("x-gateway-instance"), "external");
          assert.equal(body.model, "big", "the model is renamed for the fallback");
          assert.equal(seen.at(-1)!.get("authorization"), "Bearer external-key");
          assert.deepEqual(
            proxy.asked.map((line) => line.split(" ")[0]),
            proxied ? ["CONNECT"] : [],
          );
          await gateway.stop();
          assert.ok(!gateway.output().includes("external-key"));
        });
      }
    } finally {
      await server.shutdown();
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("a plain http instance is reached by HTTP_PROXY, unless NO_PROXY exempts it", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json(answer),
  );
  try {
    for (const exempt of [false, true]) {
      await using proxy = startProxy();
      await using gateway = await startGateway({
        config: {
          instances: [{ url: `http://127.0.0.1:${server.addr.port}/v1`, model_name: "m" }],
          health_check: false,
        },
        env: {
          HTTP_PROXY: `http://127.0.0.1:${proxy.port}`,
          NO_PROXY: exempt ? "127.0.0.0/8" : "",
        },
      });
      const response = await gateway.post("/v1/chat/completions", ask);
      const text = await response.text();
      assert.equal(response.status, 200, text);
      assert.equal(proxy.asked.length, exempt ? 0 : 1, proxy.asked.join());
    }
  } finally {
    await server.shutdown();
  }
});
