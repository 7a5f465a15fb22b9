// The self-extracting executable around a program of a few lines: what its launcher does in the
// places and environments people start programs in. The gateway in it is left to executable_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { assemble } from "../../tools/launcher/assemble.ts";
import { PERMISSION_FLAGS } from "../../tools/runtime_flags.ts";

const PROGRAM = `
const run = await Deno.permissions.query({ name: "run" });
const worker = typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope;
if (worker) {
  postMessage("from a worker");
} else if (Deno.args[0] === "--version") {
  Deno.writeTextFileSync(Deno.env.get("DENO_DIR") + "/read_before", "by " + Deno.pid);
} else {
  const said = Deno.args[0] !== "worker" ? null : await new Promise((resolve) => {
    const other = new Worker(import.meta.url, { type: "module" });
    other.onmessage = (event) => (other.terminate(), resolve(event.data));
  });
  const env = Object.fromEntries(["PATH", "root", "gw_root"].map((n) => [n, Deno.env.get(n)]));
  if (Deno.args[0] === "wait") {
    Deno.addSignalListener("SIGTERM", () => Deno.exit(7));
    setInterval(() => {}, 1000);
  }
  console.log(JSON.stringify({
    args: Deno.args, pid: Deno.pid, runtime: Deno.execPath(), run: run.state, said, env,
  }));
}
`;

interface Said {
  args: string[];
  pid: number;
  runtime: string;
  run: string;
  said: string | null;
  env: Record<string, string | undefined>;
}

/** A folder with the executable in it, gone after the test. */
class Bench implements AsyncDisposable {
  private constructor(readonly folder: string, readonly executable: string) {}

  static async make(): Promise<Bench> {
    const folder = await Deno.makeTempDir();
    const executable = join(folder, "app");
    const file = assemble({
      name: "launcher-test",
      version: "1.0.0",
      platform: Deno.build.target,
      program: new TextEncoder().encode(PROGRAM),
      runtime: await Deno.readFile(Deno.execPath()),
      flags: ["--no-config", "--no-lock", "--no-remote", "--no-npm", ...PERMISSION_FLAGS],
    });
    await Deno.writeFile(executable, file, { mode: 0o755 });
    return new Bench(folder, executable);
  }

  command(path: string, options: Deno.CommandOptions = {}): Deno.Command {
    return new Deno.Command(path, {
      clearEnv: true,
      cwd: this.folder,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...options,
      env: { XDG_CACHE_HOME: join(this.folder, "cache"), ...options.env },
    });
  }

  async start(path: string, options?: Deno.CommandOptions): Promise<Said> {
    const { success, stdout, stderr } = await this.command(path, options).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  }

  /** The one build below a cache folder. */
  async build(cache = join(this.folder, "cache")): Promise<string> {
    const names = [];
    for await (const entry of Deno.readDir(join(cache, "launcher-test"))) names.push(entry.name);
    assert.equal(names.length, 1, `one build in the cache, not ${names}`);
    return join(cache, "launcher-test", names[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

const ignore = Deno.build.os === "windows"; // The launcher is a script for /bin/sh.

Deno.test({
  name: "arguments reach the program as they were given, whatever path it is called by",
  ignore,
  async fn() {
    await using bench = await Bench.make();
    const args = ["two words", `"quoted"`, "$HOME", "*", "", "--help"];
    await Deno.mkdir(join(bench.folder, "a folder"));
    await Deno.symlink(bench.executable, join(bench.folder, "a folder", "a link"));
    const calls: [string, Deno.CommandOptions][] = [
      [bench.executable, { args }],
      ["./app", { args }],
      ["../app", { args, cwd: join(bench.folder, "a folder") }],
      [join(bench.folder, "a folder", "a link"), { args }],
      ["/bin/sh", { args: ["-c", `app "$@"`, "sh", ...args], env: { PATH: bench.folder } }],
      ["/bin/sh", { args: ["app", ...args] }],
    ];
    for (const [path, options] of calls) {
      assert.deepEqual((await bench.start(path, options)).args, args, path);
    }
  },
});

Deno.test({
  name: "the first start is none that the runtime knows nothing of",
  ignore,
  async fn() {
    await using bench = await Bench.make();
    const { pid } = await bench.start(bench.executable);
    const file = join(await bench.build(), "deno_dir", "read_before");
    const said = await Deno.readTextFile(file);
    assert.match(said, /^by \d+$/);
    assert.notEqual(said, `by ${pid}`);
    await bench.start(bench.executable);
    assert.equal(await Deno.readTextFile(file), said, "and once only");
  },
});

Deno.test({
  name: "no variable is needed, and the program sees those given, without the launcher's own",
  ignore,
  async fn() {
    await using bench = await Bench.make();
    const seen = async (env: Record<string, string>) => {
      const { PATH, ...others } = (await bench.start(bench.executable, { env })).env;
      // The runtime puts a folder of its own first.
      return { ...others, path: PATH?.split(":").slice(1).join(":") };
    };
    assert.deepEqual(await seen({}), { path: "" });
    assert.deepEqual(await seen({ PATH: "" }), { path: "" });
    assert.deepEqual(await seen({ PATH: "/nowhere:/b", root: "mine" }), {
      path: "/nowhere:/b",
      root: "mine",
    });
  },
});

Deno.test({
  name: "the program may not run others, and can start itself as a worker",
  ignore,
  async fn() {
    await using bench = await Bench.make();
    const said = await bench.start(bench.executable, { args: ["worker"] });
    assert.equal(said.run, "denied");
    assert.equal(said.said, "from a worker");
  },
});

Deno.test({
  name: "the process started is the program: its pid, its signals, its exit code",
  ignore,
  async fn() {
    await using bench = await Bench.make();
    const child = bench.command(bench.executable, { args: ["wait"] }).spawn();
    const reader = child.stdout.getReader();
    const first = await reader.read();
    await reader.cancel();
    await child.stderr.cancel();
    assert.equal(JSON.parse(new TextDecoder().decode(first.value)).pid, child.pid);
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 7);
  },
});

Deno.test({
  name: "several first starts at once all succeed and leave one whole copy",
  ignore,
  async fn() {
    await using bench = await Bench.make();
    await Promise.all([1, 2, 3].map(() => bench.start(bench.executable)));
    const left = [];
    for await (const entry of Deno.readDir(await bench.build())) left.push(entry.name);
    assert.deepEqual(left.sort(), ["deno", "deno_dir", "main.mjs"]);
  },
});

Deno.test({
  name: "a damaged copy is replaced, and a copy others may write to is not used",
  ignore,
  async fn() {
    await using bench = await Bench.make();
    await bench.start(bench.executable);
    const build = await bench.build();
    await Deno.remove(join(build, "main.mjs"));
    await Deno.writeTextFile(join(build, "main.mjs"), "console.log('cut", { mode: 0o400 });
    assert.equal((await bench.start(bench.executable)).runtime, join(build, "deno"));

    await Deno.chmod(build, 0o777);
    const tmp = join(bench.folder, "tmp");
    await Deno.mkdir(tmp);
    const said = await bench.start(bench.executable, { env: { TMPDIR: tmp } });
    assert.ok(said.runtime.startsWith(`${tmp}/launcher-test-`), said.runtime);
  },
});

Deno.test({
  name: "a cache that cannot be made gives way to a private folder for temporary files",
  ignore,
  async fn() {
    await using bench = await Bench.make();
    await Deno.writeTextFile(join(bench.folder, "cache"), "a file where the folder should be");
    const said = await bench.start(bench.executable, {
      env: { HOME: "/dev/null", TMPDIR: bench.folder },
    });
    assert.ok(said.runtime.startsWith(`${bench.folder}/launcher-test-`), said.runtime);
    const folder = join(said.runtime, "../..");
    assert.equal((await Deno.stat(folder)).mode! & 0o777, 0o700);
  },
});

Deno.test({
  name: "of older builds the two newest stay in the cache",
  ignore,
  async fn() {
    await using bench = await Bench.make();
    const cache = join(bench.folder, "cache", "launcher-test");
    for (const [day, name] of ["a1", "a2", "a3", "a4"].entries()) {
      await Deno.mkdir(join(cache, name), { recursive: true, mode: 0o700 });
      await Deno.utime(join(cache, name), day * 86400, day * 86400);
    }
    await Deno.chmod(cache, 0o700);
    const { runtime } = await bench.start(bench.executable);
    const left = [];
    for await (const entry of Deno.readDir(cache)) left.push(entry.name);
    assert.deepEqual(left.sort(), ["a3", "a4", runtime.split("/").at(-2)!].sort());
  },
});
