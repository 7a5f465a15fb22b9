// What `deno task compile` makes, as a user has it: alone in an empty folder, with an empty
// environment, both as the gateway and as the instance behind it. Launcher: launcher_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { PASSWORD, startMailServer, USER } from "../alert/mail_server.ts";
import { hasOpenssl } from "../support/certificates.ts";
import { waitFor } from "../support/wait.ts";

const ROOT = join(import.meta.dirname!, "../..");
const EXECUTABLE = join(
  ROOT,
  "dist",
  Deno.build.os === "windows" ? "simple-ai-gateway.exe" : "simple-ai-gateway",
);

/** When the youngest file below `path` was changed, in ms; files of tests do not count. */
async function changed(path: string): Promise<number> {
  const { isDirectory, mtime } = await Deno.stat(path);
  if (!isDirectory) return mtime!.getTime();
  let youngest = 0;
  for await (const entry of Deno.readDir(path)) {
    youngest = Math.max(youngest, await changed(join(path, entry.name)));
  }
  return youngest;
}

/** Compiles, unless the executable is younger than everything it is made of. */
async function compile(): Promise<void> {
  const inputs = ["main.ts", "lib", "deno.json", "deno.lock", "tools"];
  const youngest = Math.max(...await Promise.all(inputs.map((name) => changed(join(ROOT, name)))));
  const made = await Deno.stat(EXECUTABLE).then((info) => info.mtime!.getTime(), () => 0);
  if (made > youngest) return;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "compile"],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** A running executable; disposing it kills it. */
class Started implements AsyncDisposable {
  log = "";
  #ended: Deno.CommandStatus | null = null;
  readonly #collected: Promise<unknown>;

  constructor(readonly child: Deno.ChildProcess) {
    const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) this.log += text;
    };
    this.#collected = Promise.all([
      collect(child.stdout),
      collect(child.stderr),
      child.status.then((status) => this.#ended = status),
    ]);
  }

  /** The base URL in the first whole line that names one. */
  async url(): Promise<string> {
    let url: string | undefined;
    await waitFor(
      () => {
        assert.equal(this.#ended, null, `it ended:\n${this.log}`);
        const whole = this.log.slice(0, this.log.lastIndexOf("\n") + 1);
        url = whole.match(/http:\/\/127\.0\.0\.1:[1-9]\d*/)?.[0];
        return url !== undefined;
      },
      () => `an address in:\n${this.log}`,
    );
    return url!;
  }

  async terminate(): Promise<number> {
    this.child.kill("SIGTERM");
    await this.#collected;
    return this.#ended!.code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended === null) this.child.kill("SIGKILL");
    await this.#collected;
  }
}

/** The executable alone in a folder of its own; the folder goes when the test ends. */
class Alone implements AsyncDisposable {
  private constructor(readonly folder: string, readonly executable: string) {}

  static async make(): Promise<Alone> {
    const folder = await Deno.makeTempDir();
    const executable = join(folder, EXECUTABLE.endsWith(".exe") ? "gateway.exe" : "gateway");
    await Deno.copyFile(EXECUTABLE, executable);
    return new Alone(folder, executable);
  }

  command(...args: string[]): Deno.Command {
    return new Deno.Command(this.executable, {
      args,
      clearEnv: true,
      cwd: this.folder,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** The lines of all files in a folder; none while the folder is not there. */
async function lines(folder: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      const text = await Deno.readTextFile(join(folder, entry.name));
      found.push(...text.split("\n").slice(0, -1));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

async function serveAStream(workers: number): Promise<void> {
  await compile();
  await using alone = await Alone.make();
  await using instance = new Started(
    alone.command("simulate", "--host", "127.0.0.1", "--port", "0", "--model", "demo").spawn(),
  );
  const config = {
    instances: [{ url: `${await instance.url()}/v1`, model_name: "demo" }],
    data_dir: join(alone.folder, "data"),
    workers,
  };
  await Deno.writeTextFile(join(alone.folder, "config.jsonc"), JSON.stringify(config));
  await using gateway = new Started(
    alone.command("serve", "--host", "127.0.0.1", "--port", "0").spawn(),
  );
  const response = await fetch(`${await gateway.url()}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "demo",
      stream: true,
      max_tokens: 8,
      messages: [{ role: "user", content: "Say something." }],
    }),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const events = text.split("\n\n").filter((event) => event.startsWith("data: "))
    .map((event) => event.slice("data: ".length));
  assert.equal(events.at(-1), "[DONE]");
  const answer = events.slice(0, -1)
    .map((event) => JSON.parse(event).choices[0]?.delta.content ?? "").join("");
  assert.notEqual(answer, "");

  const page = await fetch(`${await gateway.url()}/dashboard/`);
  assert.match(await page.text(), /<script type="module" src="app.js">/);
  const script = await fetch(`${await gateway.url()}/dashboard/app.js`);
  assert.match(await script.text(), /^import /m);

  const folder = join(alone.folder, "data", "requests_responses");
  await waitFor(async () => (await lines(folder)).length > 0, "a record on disk");
  const records = await lines(folder);
  assert.equal(records.length, 1);
  assert.ok(JSON.parse(records[0]).conversations.at(-1).value.endsWith(answer));
  if (Deno.build.os === "windows") return; // It has no SIGTERM.
  assert.equal(await gateway.terminate(), 0, gateway.log);
  assert.equal(await instance.terminate(), 0, instance.log);
}

Deno.test("the executable serves and records a stream with nothing around it", async () => {
  await serveAStream(1);
});

Deno.test("the executable serves with several workers", async () => {
  await serveAStream(2);
});

Deno.test("the executable tells its version, and says where a config file is wrong", async () => {
  await compile();
  await using alone = await Alone.make();
  const text = new TextDecoder();
  const version = await alone.command("--version").output();
  const project = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  assert.match(text.decode(version.stdout), new RegExp(project.version.replaceAll(".", "\\.")));
  await Deno.writeTextFile(join(alone.folder, "config.jsonc"), `{\n  "instancez": []\n}\n`);
  const check = await alone.command("check", "--config", "config.jsonc").output();
  assert.equal(check.code, 1);
  assert.match(text.decode(check.stdout) + text.decode(check.stderr), /config\.jsonc:2:3: /);
});

Deno.test(
  "the executable sends mail over STARTTLS",
  // The mail server's certificate is made with openssl.
  { ignore: !await hasOpenssl() },
  async () => {
    await compile();
    await using alone = await Alone.make();
    await using mail = await startMailServer();
    const config = {
      instances: [{ url: "http://127.0.0.1:8000", model_name: "m" }],
      alerts: [{
        type: "email",
        host: "localhost",
        port: mail.port,
        ca_file: mail.caFile,
        user: USER,
        password: PASSWORD,
        from: "gateway@example.com",
        to: ["ops@example.com"],
      }],
    };
    await Deno.writeTextFile(join(alone.folder, "config.jsonc"), JSON.stringify(config));
    const { code, stdout, stderr } = await alone.command("alert", "--test").output();
    const text = new TextDecoder();
    assert.equal(code, 0, text.decode(stdout) + text.decode(stderr));
    assert.equal(mail.mails.length, 1);
    assert.ok(mail.mails[0].secure);
  },
);
