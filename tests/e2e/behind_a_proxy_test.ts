// The configurations of docs/guides/behind-a-proxy.md as they stand there, but for TLS and addresses, in a
// real nginx and a real Caddy: streams, clients' addresses, closed paths, CORS.

import assert from "node:assert/strict";
import { join } from "node:path";
import { freePort } from "../support/ports.ts";
import {
  ROOT,
  startGateway,
  startProcess,
  startSimulators,
  temporaryFolder,
} from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

const GUIDE = join(ROOT, "docs/guides/behind-a-proxy.md");

async function block(language: string): Promise<string> {
  const text = await Deno.readTextFile(GUIDE);
  return new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(text)![1];
}

interface Proxy {
  command: string;
  args: string[];
  /** Files to write into `folder` before the start. */
  files(folder: string, port: number, gateway: string): Promise<Record<string, string>>;
}

const NGINX: Proxy = {
  command: "nginx",
  args: ["-c", "nginx.conf", "-p", "."],
  async files(folder, port, gateway) {
    const server = (await block("nginx"))
      .replace("listen 443 ssl;", `listen 127.0.0.1:${port};`)
      .replace(/ *ssl_certificate.*\n/g, "")
      .replace("127.0.0.1:9999", gateway);
    return {
      "nginx.conf":
        `worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/error;\nevents {}\n` +
        `http { access_log off; client_body_temp_path ${folder}/body; ` +
        `proxy_temp_path ${folder}/proxy;\n${server}}\n`,
    };
  },
};

const CADDY: Proxy = {
  command: "caddy",
  args: ["run", "--config", "Caddyfile", "--adapter", "caddyfile"],
  async files(_folder, port, gateway) {
    const site = (await block("caddy"))
      .replace("llm.example.com", `http://127.0.0.1:${port}`)
      .replace("127.0.0.1:9999", gateway);
    return { "Caddyfile": `{\n  admin off\n}\n${site}` };
  },
};

function isInstalled(command: string): boolean {
  const paths = (Deno.env.get("PATH") ?? "").split(":");
  return paths.some((path) => {
    try {
      return Deno.statSync(join(path, command)).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
}

async function stand({ command, args, files }: Proxy) {
  const stack = new AsyncDisposableStack();
  try {
    const simulators = stack.use(
      await startSimulators({ count: 1, args: ["--tokens-per-second", "5"] }),
    );
    const gateway = stack.use(
      await startGateway({
        config: {
          instances: [{ url: simulators.urls[0], model_name: "demo" }],
          access: { trusted_proxies: ["127.0.0.1"] },
        },
      }),
    );
    const folder = stack.use(await temporaryFolder("proxy-"));
    const port = freePort();
    const texts = await files(folder.path, port, `127.0.0.1:${gateway.port}`);
    for (const [name, text] of Object.entries(texts)) {
      await Deno.writeTextFile(join(folder.path, name), text);
    }
    const proxy = startProcess(command, { args, cwd: folder.path, env: { HOME: folder.path } });
    // Killed outright, nginx would leave its workers behind.
    stack.defer(async () => void await proxy.stop());
    const url = `http://127.0.0.1:${port}`;
    await waitFor(async () => {
      assert.ok(!proxy.ended(), proxy.output());
      return await fetch(`${url}/health`).then(
        (response) => response.text().then(() => response.ok),
        () => false,
      );
    }, () => `${command} to pass something on:\n${proxy.output()}`);
    return { url, gateway, simulators, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

function chat(url: string, more: Record<string, unknown>, headers: Record<string, string> = {}) {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({
      model: "demo",
      messages: [{ role: "user", content: "hello" }],
      ...more,
    }),
  });
}

for (const proxy of [NGINX, CADDY]) {
  Deno.test({
    name:
      `the guide's ${proxy.command} passes streams on at once, says who asks, and keeps closed what is`,
    // Not every machine has it; CI does.
    ignore: !isInstalled(proxy.command),
    async fn(t) {
      await using s = await stand(proxy);

      await t.step("a stream comes piece by piece, before it is over", async () => {
        // It takes eight seconds: whoever holds it back shows nothing before them.
        const response = await chat(s.url, { stream: true, max_tokens: 40, ignore_eos: true });
        const pieces = response.body!.pipeThrough(new TextDecoderStream()).getReader();
        let text = "";
        while (text.split('"content"').length < 4) text += (await pieces.read()).value!;
        const asked = (await s.simulators.requests(0)).filter(({ method }) => method === "POST");
        assert.deepEqual(asked.map(({ finished }) => finished), [false]);
        await pieces.cancel();
      });

      await t.step("the client's address is the one that the proxy tells", async () => {
        await (await chat(s.url, { max_tokens: 1 }, { "x-forwarded-for": "203.0.113.9" })).text();
        const lines = async () =>
          (await Array.fromAsync(Deno.readDir(join(s.gateway.dataDir, "requests")))
            .then((all) =>
              Promise.all(
                all.map(({ name }) => Deno.readTextFile(join(s.gateway.dataDir, "requests", name))),
              )
            ).catch(() => [""])).join("");
        // What the client wrote itself stands left of its own address, which is this host's: all are
        // trusted then, and the leftmost counts. Caddy trusts nobody, and drops what came.
        const expected = proxy === NGINX ? "203.0.113.9" : "127.0.0.1";
        await waitFor(async () => (await lines()).includes(`"${expected}"`), expected);
      });

      await t.step("dashboard and metrics stay closed", async () => {
        for (const path of ["/dashboard", "/dashboard/", "/dashboard/api/fleet", "/metrics"]) {
          const response = await fetch(s.url + path, { redirect: "manual" });
          await response.body?.cancel();
          assert.equal(response.status, 403, path);
        }
      });

      await t.step("a prompt of several megabytes arrives", async () => {
        const response = await chat(s.url, {
          max_tokens: 1,
          messages: [{ role: "user", content: "x".repeat(5_000_000) }],
        });
        // Too long for the model, and the model's own words for it: it went all the way.
        assert.match(await response.text(), /maximum context length/);
      });

      await t.step("one field lets pages of other origins read answers", async () => {
        const response = await chat(s.url, { max_tokens: 1 }, { origin: "https://a.example" });
        await response.body?.cancel();
        assert.equal(response.headers.get("access-control-allow-origin"), "*");
      });
    },
  });
}
