// Every command of the documents is run as it stands there, by bash, beside a gateway with two simulated
// instances. Only addresses differ; what cannot be run here is named with the reason.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import project from "../deno.json" with { type: "json" };
import { startReceiver } from "./alert/receiver.ts";
import {
  type ChildProcess,
  ROOT,
  startProcess,
  startSimulators,
  temporaryFolder,
} from "./support/processes.ts";
import { waitFor } from "./support/wait.ts";

/** Commands that are not run here, and why. */
const ELSEWHERE: readonly [command: RegExp, why: string][] = [
  [/^npx -y deno@[\d.]+ task /, "the tasks are run by CI and by tests of their own"],
  [/^(systemctl|install|docker) /, "they change the host: tests/deploy_test.ts checks their files"],
];
/** Commands that go on until they are stopped, and what they say once they are at work. */
const LASTING: readonly [command: RegExp, sign: RegExp][] = [
  [/ serve( |$)/, /listening on http/i],
  [/ simulate( |$)/, /simulated vLLM listening on/],
  [/ dev$/, /simple-ai-gateway \S+ listening on http/i],
  [/ --watch$/, /INSTANCE/],
  [/ --follow$/, /\S/],
];

interface Line {
  path: string;
  text: string;
}

async function commands(): Promise<Line[]> {
  const paths: string[] = [join(ROOT, "README.md"), join(ROOT, "README_zh.md")];
  for (const folder of ["docs", "docs/guides"]) {
    for await (const { name } of Deno.readDir(join(ROOT, folder))) {
      if (name.endsWith(".md")) paths.push(join(ROOT, folder, name));
    }
  }
  const found = new Map<string, Line>();
  for (const path of paths) {
    const text = await Deno.readTextFile(path);
    for (const [, block] of text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)) {
      for (const line of block.replaceAll("\\\n", " ").split("\n")) {
        const command = line.trim().replace(/ +/g, " ");
        if (command !== "") found.set(command, { path, text: command });
      }
    }
  }
  return [...found.values()];
}

/** The files of a release: what is called the executable is the program in this folder. */
async function serveRelease(bin: string): Promise<{ url: string } & AsyncDisposable> {
  const executable = await Deno.readFile(bin);
  const digest = createHash("sha256").update(executable).digest("hex");
  const names = ["x86_64", "aarch64"].map((cpu) => `simple-ai-gateway-${cpu}-unknown-linux-gnu`);
  const files = new Map<string, Uint8Array<ArrayBuffer> | string>([
    ...names.map((name) => [name, executable] as const),
    ["SHA256SUMS", names.map((name) => `${digest}  ${name}\n`).join("")],
    ["install.sh", await Deno.readTextFile(join(ROOT, "deploy/install.sh"))],
  ]);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    const file = files.get(new URL(url).pathname.slice(1));
    return new Response(file ?? "none", { status: file === undefined ? 404 : 200 });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A folder with everything that the documents take for granted, and a gateway at work in it. */
async function stand() {
  const folder = await temporaryFolder("commands-");
  const simulators = await startSimulators({ count: 2 });
  const receiver = startReceiver(() => new Response("ok"));
  const bin = join(folder.path, "simple-ai-gateway");
  await Deno.writeTextFile(
    bin,
    `#!/bin/sh\nexec "${Deno.execPath()}" run -A "${join(ROOT, "main.ts")}" "$@"\n`,
    { mode: 0o755 },
  );
  const config = JSON.stringify({
    host: "127.0.0.1",
    port: 0,
    instances: simulators.urls.map((url) => ({ url, model_name: "demo" })),
    data_dir: "./data",
    alerts: [{ type: "webhook", url: receiver.origin }],
  });
  const release = await serveRelease(bin);
  const env = {
    RELEASE: release.url,
    PATH: `${folder.path}:${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`,
  };
  const bash = (command: string, cwd = folder.path, more: Record<string, string> = {}) =>
    startProcess("bash", { args: ["-c", command], cwd, env: { ...env, ...more } });
  for (const name of ["config.jsonc", "config.json5"]) {
    await Deno.writeTextFile(join(folder.path, name), config);
  }
  const gateway = bash("exec simple-ai-gateway");
  const [, port] = await gateway.waitForOutput(/listening on http:\/\/127\.0\.0\.1:(\d+)/i);
  return {
    folder: folder.path,
    simulators,
    receiver,
    gateway,
    port,
    bash,
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      await release[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
      await simulators[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

type Stand = Awaited<ReturnType<typeof stand>>;

/** The command with the addresses of the stand. */
function here(command: string, { port, simulators }: Stand): string {
  const hosts = simulators.origins.map((origin) => origin.replace("http://", ""));
  return command
    // That npx finds the program is shown by tests/e2e/npm_test.ts.
    .replace(/^npx -y simple-ai-gateway/, "simple-ai-gateway")
    .replace(/simple-ai-gateway (dev|serve)(?=$| --instance)/, "$& --port 0")
    .replace(/simple-ai-gateway simulate/, "$& --port 0")
    .replace(/simple-ai-gateway (status|explain)/, `$& --url http://127.0.0.1:${port}`)
    .replace("localhost:9999", `127.0.0.1:${port}`)
    .replace("localhost:8001", hosts[0])
    .replace("10.0.0.5:8000", hosts[0])
    .replace("10.0.0.6:8000", hosts[1])
    .replace("/etc/simple-ai-gateway/keys.jsonc", "keys.jsonc")
    .replace("http://collector:4318", "http://127.0.0.1:4318");
}

/** Files that guides take for granted, once there are records. */
async function writeGranted({ folder }: Stand): Promise<void> {
  const write = (name: string, text: string) => Deno.writeTextFile(join(folder, name), text);
  const records = join(folder, "data/requests_responses");
  for await (const { name } of Deno.readDir(records)) {
    await Deno.copyFile(join(records, name), join(folder, "yesterday.jsonl"));
  }
  await Deno.copyFile(join(folder, "config.jsonc"), join(folder, "new.jsonc"));
  await write("body.json", JSON.stringify({ model: "demo", messages: [] }));
  await Deno.mkdir(join(folder, "policies"));
  const guide = await Deno.readTextFile(join(ROOT, "docs/guides/plugins.md"));
  await write("policies/own.ts", /```ts\n(\/\/ policies\/own\.ts[\s\S]*?)```/.exec(guide)![1]);
}

/** What the guide to keys does before its first command, which makes the file. */
async function nameKeysFile({ folder }: Stand): Promise<void> {
  const path = join(folder, "config.jsonc");
  const config = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify({ ...config, keys_file: "keys.jsonc" }));
}

async function endsWell(child: ChildProcess, line: Line): Promise<void> {
  const { code } = await child.status;
  assert.equal(code, 0, `${line.path}: ${line.text}\n${child.output()}`);
}

Deno.test("every command of the documents works", async () => {
  await using s = await stand();
  const all = await commands();
  const ran: string[] = [];
  // Those that read records need some: what the README asks first is asked first.
  const curls = all.filter(({ text }) =>
    /^curl .*localhost:9999|^curl .*localhost:8001/.test(text)
  );
  assert.ok(curls.length >= 3);
  for (const line of curls) {
    const child = s.bash(here(line.text, s).replace("curl ", "curl --fail "));
    await endsWell(child, line);
    assert.match(
      child.stdout(),
      /"object":"(chat\.completion|list)|"status"|data: \[DONE\]|"faults"/,
    );
    ran.push(line.text);
  }
  await waitFor(async () => {
    const files = await Array.fromAsync(
      Deno.readDir(join(s.folder, "data/requests_responses")),
    ).catch(() => []);
    return files.length > 0;
  }, "records");
  await writeGranted(s);

  for (const line of all) {
    const { text } = line;
    if (ran.includes(text) || ELSEWHERE.some(([pattern]) => pattern.test(text))) continue;
    // Told of below, since they belong together.
    if (/ --takeover &$|^kill -USR2/.test(text)) continue;
    if (text.includes(" keys create ")) await nameKeysFile(s);
    const lasting = LASTING.find(([pattern]) => pattern.test(text));
    const init = text.includes(" init ");
    const cwd = init ? await Deno.makeTempDir({ dir: s.folder }) : s.folder;
    const child = s.bash(lasting ? `exec env ${here(text, s)}` : here(text, s), cwd);
    if (lasting === undefined) {
      await endsWell(child, line);
      if (init) assert.match(await Deno.readTextFile(join(cwd, "config.jsonc")), /"demo"/);
    } else {
      await child.waitForOutput(lasting[1]);
      child.signal("SIGINT");
      await endsWell(child, line);
    }
    ran.push(text);
  }
  const train = JSON.parse(await Deno.readTextFile(join(s.folder, "train.json")));
  assert.equal(train.length, 2);
  // Of the keys' file that was named before it was there the gateway may have told, too.
  const tests = s.receiver.received.filter(({ text }) => text.includes('"kind":"test"'));
  assert.equal(tests.length, 1, JSON.stringify(s.receiver.received));
  assert.ok(ran.length >= 12, ran.join("\n"));
});

Deno.test("every task that the documents name is one", async () => {
  const tasks = (await commands()).flatMap(({ text }) => text.match(/ task (\S+)/)?.[1] ?? []);
  assert.ok(tasks.length >= 6);
  for (const task of tasks) assert.ok(Object.hasOwn(project.tasks, task), task);
});

Deno.test("the documents' upgrade hands the port over", async () => {
  await using s = await stand();
  const lines = (await commands()).map(({ text }) => text);
  const serve = lines.find((text) => text.endsWith("--takeover &"))!;
  const send = lines.find((text) => text.startsWith("kill -USR2"))!;
  // The port is the file's; here the first gateway took a free one.
  const successor = s.bash(`exec ${serve.replace(/ &$/, "")} --port ${s.port}`);
  await successor.waitForOutput(/listening on http/i);
  await endsWell(s.bash(send, s.folder, { OLD_PID: String(s.gateway.pid) }), {
    path: "README.md",
    text: send,
  });
  assert.equal((await s.gateway.status).code, 0);
  const health = await fetch(`http://127.0.0.1:${s.port}/health`);
  assert.equal(health.status, 200);
  await health.body?.cancel();
  assert.equal((await successor.stop()).code, 0);
});
