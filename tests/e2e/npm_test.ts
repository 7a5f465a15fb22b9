// The npm package as a user meets it: `npx simple-ai-gateway` against a registry that has two packages and
// nothing else, in a home where nothing was ever installed. The runtime in it is Deno's own package.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import project from "../../deno.json" with { type: "json" };
import { makePackage } from "../../tools/npm.ts";
import { type ChildProcess, startProcess, temporaryFolder } from "../support/processes.ts";
import { readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";

const RUNTIME = `@deno/linux-${Deno.build.arch === "aarch64" ? "arm64" : "x64"}-glibc`;
/** npm fetches 40 MB and unpacks 100. */
const INSTALL_MS = 120_000;

async function run(command: string, args: string[], options: Deno.CommandOptions = {}) {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    stdin: "null",
    ...options,
  }).output();
  const text = new TextDecoder();
  assert.ok(success, `${command} ${args.join(" ")}:\n${text.decode(stderr)}`);
  return text.decode(stdout);
}

/** Tarballs of a folder as a registry serves them; it knows no other package. */
async function startRegistry(folder: string): Promise<{ url: string } & AsyncDisposable> {
  const documents = new Map<string, (origin: string) => unknown>();
  const tarballs = new Map<string, string>();
  for await (const { name: file } of Deno.readDir(folder)) {
    const path = join(folder, file);
    const manifest = JSON.parse(await run("tar", ["-xOzf", path, "package/package.json"]));
    tarballs.set(`/-/${file}`, path);
    const digest = createHash("sha512").update(await Deno.readFile(path)).digest("base64");
    documents.set(manifest.name, (origin) => ({
      name: manifest.name,
      "dist-tags": { latest: manifest.version },
      versions: {
        [manifest.version]: {
          ...manifest,
          dist: { tarball: `${origin}/-/${file}`, integrity: `sha512-${digest}` },
        },
      },
    }));
  }
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { origin, pathname } = new URL(request.url);
      const tarball = tarballs.get(pathname);
      if (tarball !== undefined) return new Response((await Deno.open(tarball)).readable);
      const document = documents.get(decodeURIComponent(pathname.slice(1)));
      return document === undefined
        ? Response.json({ error: "not found" }, { status: 404 })
        : Response.json(document(origin));
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A registry's folder, and a home with an empty cache of npm's. */
async function stand() {
  const folder = await temporaryFolder("npm-");
  const tarballs = join(folder.path, "tarballs");
  await Deno.mkdir(tarballs);
  await makePackage(join(folder.path, "package"));
  const pack = ["pack", "--silent", "--pack-destination", tarballs];
  await run("npm", [...pack, join(folder.path, "package")]);
  await run("npm", [...pack, `${RUNTIME}@${Deno.version.deno}`]);
  const registry = await startRegistry(tarballs);
  const cwd = join(folder.path, "empty");
  await Deno.mkdir(cwd);
  const env = {
    HOME: join(folder.path, "home"),
    DENO_DIR: "",
    npm_config_registry: registry.url,
    npm_config_cache: join(folder.path, "cache"),
    npm_config_fetch_retries: "0",
    npm_config_update_notifier: "false",
  };
  return {
    path: cwd,
    env,
    npx: (...args: string[]) =>
      startProcess("npx", { args: ["-y", "simple-ai-gateway", ...args], cwd, env }),
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Ends it by a signal, so that what it has started ends as well. */
function stopped(child: ChildProcess): ChildProcess & AsyncDisposable {
  return { ...child, [Symbol.asyncDispose]: async () => void await child.stop() };
}

Deno.test("the package is not written over a folder of something else", async () => {
  await using folder = await temporaryFolder("npm-");
  const thesis = join(folder.path, "thesis.txt");
  await Deno.writeTextFile(thesis, "of five years");
  await assert.rejects(makePackage(folder.path), /holds something else/);
  await Deno.writeTextFile(join(folder.path, "package.json"), "{}");
  await assert.rejects(makePackage(folder.path), /holds something else.*: thesis/);
  assert.equal(await Deno.readTextFile(thesis), "of five years");
});

const ignore = Deno.build.os !== "linux";

Deno.test(
  "npx installs and runs the gateway from a registry with two packages",
  { ignore },
  async () => {
    await using s = await stand();
    const version = s.npx("--version");
    await version.waitForOutput(/^\d+\.\d+\.\d+$/m, INSTALL_MS);
    assert.equal((await version.status).code, 0, version.output());
    assert.equal(version.stdout().trim(), project.version);
    // The exit code and the words of a command come through.
    const wrong = s.npx("check", "--config", "nowhere.jsonc");
    assert.equal((await wrong.status).code, 1, wrong.output());
    assert.match(wrong.output(), /nowhere\.jsonc:1:1: /);
  },
);

Deno.test(
  "installed, it answers, and ends with its answers whole though Ctrl-C comes by two ways",
  { ignore },
  async () => {
    await using s = await stand();
    await run("npm", ["install", "--silent", "simple-ai-gateway"], { cwd: s.path, env: s.env });
    const bin = join(s.path, "node_modules/.bin/simple-ai-gateway");
    const program = join(s.path, "node_modules/simple-ai-gateway/main.mjs");
    const wide = (await Deno.readFile(program)).filter((byte) => byte > 0x7f).length;
    assert.equal(wide, 0, "one byte for each character is enough for the runtime");
    const start = (...args: string[]) =>
      stopped(startProcess(bin, { args, cwd: s.path, env: s.env }));
    await using simulator = start(
      ...["simulate", "--host", "127.0.0.1", "--port", "0", "--tokens-per-second", "20"],
    );
    const [, instance] = await simulator.waitForOutput(/listening on (\S+)/);
    await using gateway = start(
      ...["serve", "--instance", instance, "--host", "127.0.0.1", "--port", "0", "--workers", "2"],
    );
    const [, url] = await gateway.waitForOutput(/listening on (http:\S+)/);
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "demo",
        stream: true,
        ignore_eos: true,
        max_tokens: 30,
        messages: [{ role: "user", content: "Say something." }],
      }),
    });
    const whole = readSse(response);
    await waitFor(async () => {
      const health = await (await fetch(`${url}/health`)).json();
      return health.instances[0].in_flight === 1;
    }, "the stream to run");
    // Node would open its debugger.
    gateway.signal("SIGUSR1");
    // As a terminal and npm do.
    gateway.signal("SIGINT");
    gateway.signal("SIGINT");
    const { events } = await whole;
    assert.equal(events.at(-1)?.data, "[DONE]");
    assert.equal((await gateway.status).code, 0, gateway.output());
    assert.doesNotMatch(gateway.output(), /[Dd]ebugger/);
    const records = await Array.fromAsync(
      Deno.readDir(join(s.path, "data/requests_responses")),
    );
    assert.equal(records.length, 1);
  },
);
