// The `keys` commands: what they write, what they say, and what they never show.

import assert from "node:assert/strict";
import { join } from "node:path";
import { formOf, hashOfKey, newKey } from "../../lib/caller/key.ts";
import { changeKeys } from "../../lib/cli/keys/store.ts";
import { readConfig } from "../../lib/config/load.ts";

interface Stand extends AsyncDisposable {
  readonly folder: string;
  readonly config: string;
  readonly keysFile: string;
  run(
    args: string[],
    stdin?: string,
    env?: Record<string, string>,
  ): Promise<{ code: number; out: string; err: string }>;
  names(): Promise<string[]>;
}

const MAIN = join(import.meta.dirname!, "../../main.ts");

async function startStand(more: object = {}): Promise<Stand> {
  const folder = await Deno.makeTempDir({ prefix: "keys-" });
  const config = join(folder, "config.jsonc");
  await Deno.writeTextFile(
    config,
    JSON.stringify({
      instances: [{ url: "http://127.0.0.1:8001", model_name: "m" }],
      keys_file: "keys.jsonc",
      groups: [{ name: "g" }],
      ...more,
    }),
  );
  return {
    folder,
    config,
    keysFile: join(folder, "keys.jsonc"),
    async run(args, stdin = "", env = {}) {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", MAIN, "keys", ...args],
        cwd: folder,
        env: { NO_COLOR: "1", ...env },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(stdin));
      await writer.close();
      const { code, stdout, stderr } = await child.output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, out: text(stdout), err: text(stderr) };
    },
    async names() {
      const loaded = await readConfig(config, () => undefined);
      assert.ok(loaded.ok, JSON.stringify(loaded.ok ? "" : loaded.problems));
      return (loaded.config.callers?.keys ?? []).map(({ name }) => name);
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("keys create makes a file for its owner alone, with the hash and never the key", async () => {
  await using stand = await startStand();
  const made = await stand.run(
    ["create", "web", "--rpm", "60", "--model", "m*", "--group", "g", "--expires", "90d"],
  );
  assert.equal(made.code, 0, made.err);
  const key = made.out.trim();
  assert.equal(formOf(key), "made");
  const text = await Deno.readTextFile(stand.keysFile);
  assert.ok(text.includes(hashOfKey(key)) && !text.includes(key));
  assert.match(text, /"requests_per_minute": 60/);
  if (Deno.build.os !== "windows") {
    assert.equal((await Deno.stat(stand.keysFile)).mode! & 0o777, 0o600);
  }
  const second = await stand.run(["create", "ci", "--json", "--budget", "day=5000tokens"]);
  assert.equal(JSON.parse(second.out).options.budget.tokens, 5000);
  assert.deepEqual(await stand.names(), ["web", "ci"]);
  const again = await stand.run(["create", "web"]);
  assert.equal(again.code, 1);
  assert.match(again.err, /a key is named `web` already/);
  const wrong = await stand.run(["create", "bad", "--expires", "soon"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /expected a span such as 90d/);
  const left: string[] = [];
  for await (const { name } of Deno.readDir(stand.folder)) left.push(name);
  assert.deepEqual(left.sort(), ["config.jsonc", "keys.jsonc"]);
});

Deno.test("the end of a key is told in local time, as everywhere on the command line", async () => {
  await using stand = await startStand();
  for (
    const [given, inFile] of [
      ["2030-01-31", "2030-01-31T00:00:00+09:00"],
      ["2030-01-31T18:30", "2030-01-31T18:30:00+09:00"],
      ["2030-01-31T00:00Z", "2030-01-31T09:00:00+09:00"],
    ]
  ) {
    const args = ["create", `k${given.length}`, "--expires", given];
    const { code, err } = await stand.run(args, "", { TZ: "Asia/Tokyo" });
    assert.equal(code, 0, err);
    assert.ok(err.includes(`It ends at ${inFile}.`), err);
    assert.ok((await Deno.readTextFile(stand.keysFile)).includes(`"expires": "${inFile}"`));
  }
  assert.equal((await stand.names()).length, 3);
  const { out } = await stand.run(["list"], "", { TZ: "Asia/Tokyo" });
  assert.equal(out.split("until 2030-01-31").length, 4, out);
});

Deno.test("keys create without a keys file prints the line to paste", async () => {
  await using stand = await startStand({ keys_file: null, groups: [] });
  const { code, out, err } = await stand.run(["create", "web", "--tpm", "1000"]);
  assert.equal(code, 0);
  const line = /\{ .* \}/.exec(err)![0];
  assert.deepEqual(JSON.parse(line), {
    name: "web",
    hash: `sha256:${hashOfKey(out.trim())}`,
    tokens_per_minute: 1000,
  });
});

Deno.test("keys revoke and rotate change one line and leave what people wrote", async () => {
  await using stand = await startStand();
  const [first, second] = [newKey(), newKey()];
  await Deno.writeTextFile(
    stand.keysFile,
    `// ours
[
  // the website
  { name: 'web', hash: "sha256:${hashOfKey(first)}", note: "x" }, // keep
  { "name": "ci", "hash": "sha256:${hashOfKey(second)}" }
  // end
]
`,
  );
  const rotated = await stand.run(["rotate", "web", "--overlap", "1h"]);
  assert.equal(rotated.code, 0, rotated.err);
  let text = await Deno.readTextFile(stand.keysFile);
  for (const kept of ["// ours", "// the website", "// keep", "// end", '"note": "x"']) {
    assert.ok(text.includes(kept), kept);
  }
  const fresh = hashOfKey(rotated.out.trim());
  const loaded = await readConfig(stand.config, () => undefined);
  assert.ok(loaded.ok);
  const [web] = loaded.config.callers!.keys;
  assert.deepEqual(web.hashes.map(({ hash }) => hash), [fresh, hashOfKey(first)]);
  assert.ok(Math.abs(web.hashes[1].untilMs! - Date.now() - 3_600_000) < 60_000);
  const made = await stand.run(["create", "third"]);
  assert.equal(made.code, 0, made.err);
  assert.deepEqual(await stand.names(), ["web", "ci", "third"]);
  assert.equal((await stand.run(["revoke", "ci"])).code, 0);
  assert.deepEqual(await stand.names(), ["web", "third"]);
  assert.equal((await stand.run(["revoke", "web", "--now"])).code, 0);
  text = await Deno.readTextFile(stand.keysFile);
  assert.match(text, /"disabled": "now"/);
  const none = await stand.run(["revoke", "ci"]);
  assert.equal(none.code, 1);
  assert.match(none.err, /no key is named `ci`/);
  const listed = await stand.run(["list"]);
  assert.match(listed.out, /web +- +disabled +none/);
  const shown = await stand.run(["show", "third"]);
  assert.equal(JSON.parse(shown.out).state, "open");
  for (const { out, err } of [listed, shown]) {
    assert.ok(!(out + err).includes(fresh), "a hash is shown");
  }
});

Deno.test("keys revoke and rotate change nothing where two keys have the name", async () => {
  await using stand = await startStand();
  const entries = [newKey(), newKey()].map((key) => ({
    name: "web",
    hash: `sha256:${hashOfKey(key)}`,
  }));
  const text = JSON.stringify(entries);
  await Deno.writeTextFile(stand.keysFile, text);
  for (const args of [["revoke", "web"], ["revoke", "web", "--now"], ["rotate", "web"]]) {
    const { code, out, err } = await stand.run(args);
    assert.equal(code, 1);
    assert.equal(out, "");
    assert.match(err, /2 keys are named `web`/);
  }
  assert.equal(await Deno.readTextFile(stand.keysFile), text);
});

Deno.test("keys revoke takes a key away whose comma stands behind a comment, or on the next line", async () => {
  await using stand = await startStand();
  const line = (name: string) => `{ "name": "${name}", "hash": "sha256:${hashOfKey(newKey())}" }`;
  const separator = `// ${"/ ".repeat(500)}`;
  const text = `[\r
  ${line("one")} // the first, of old\r
  , ${line("two")} /* a ** b, */, ${line("three")},\r
  ${line("four")}\r
  ${separator}\r
]\r
`;
  await Deno.writeTextFile(stand.keysFile, text);
  const left = ["one", "two", "three", "four"];
  for (const name of ["one", "two", "four", "three"]) {
    const { code, err } = await stand.run(["revoke", name]);
    assert.equal(code, 0, err);
    left.splice(left.indexOf(name), 1);
    assert.deepEqual(await stand.names(), left);
  }
  const rest = await Deno.readTextFile(stand.keysFile);
  for (const kept of ["the first, of old", "a ** b,", separator]) assert.ok(rest.includes(kept));
});

Deno.test("keys import takes a key from standard input, and none that can be guessed", async () => {
  await using stand = await startStand();
  const key = "a-key-that-we-have-had-for-years";
  const { code, err } = await stand.run(["import", "old", "--concurrency", "2"], `${key}\n`);
  assert.equal(code, 0, err);
  assert.ok((await Deno.readTextFile(stand.keysFile)).includes(hashOfKey(key)));
  const short = await stand.run(["import", "short"], "hunter2");
  assert.equal(short.code, 1);
  assert.match(short.err, /7 characters; expected at least 24/);
  assert.ok(!short.err.includes("hunter2"));
  assert.deepEqual(await stand.names(), ["old"]);
});

Deno.test("two keys that are created at the same time are both there", async () => {
  await using stand = await startStand();
  const names = ["a", "b", "c"];
  const codes = await Promise.all(
    names.map(async (name) => (await stand.run(["create", name])).code),
  );
  assert.deepEqual(codes, [0, 0, 0]);
  assert.deepEqual((await stand.names()).sort(), names);
});

Deno.test("what an editor saves while a command changes the keys is not lost", async () => {
  await using stand = await startStand();
  const entry = (name: string) => ({ name, hash: `sha256:${hashOfKey(newKey())}` });
  const save = (names: string[]) =>
    Deno.writeTextFileSync(stand.keysFile, JSON.stringify(names.map(entry)));
  save(["web"]);
  let saves = 0;
  await changeKeys(stand.keysFile, (keys) => {
    if (saves++ === 0) save(["web", "by-hand"]);
    return keys.without("web");
  });
  assert.deepEqual(await stand.names(), ["by-hand"]);
  await assert.rejects(
    changeKeys(stand.keysFile, (keys) => {
      save(["by-hand", `number-${saves++}`]);
      return keys.without("by-hand");
    }),
    /saved again and again/,
  );
  const left = [...Deno.readDirSync(stand.folder)].map(({ name }) => name).sort();
  assert.deepEqual(left, ["config.jsonc", "keys.jsonc"]);
});

Deno.test("an unknown command of keys names the nearest, and keys alone explains itself", async () => {
  await using stand = await startStand();
  const { code, err } = await stand.run(["creat", "web"]);
  assert.equal(code, 2);
  assert.match(err, /did you mean `create`\?/);
  const help = await stand.run([]);
  assert.equal(help.code, 0);
  assert.match(help.out, /rotate +makes a key anew/);
  assert.match((await stand.run(["rotate", "--help"])).out, /--overlap SPAN/);
});

Deno.test("keys: commands at one time, after one that was killed, lose no key", async () => {
  await using stand = await startStand();
  const lock = `${stand.keysFile}.lock`;
  const expected: string[] = [];
  for (let round = 0; round < 20; round++) {
    // What a killed command of an earlier version has left.
    await Deno.writeTextFile(lock, "");
    await Deno.utime(lock, 1000, 1000);
    const names = Array.from({ length: 8 }, (_, index) => `k${round}-${index}`);
    await Promise.all(names.map(async (name, index) => {
      // One of them finds the lock of another in the place of the old one.
      await new Promise((resolve) => setTimeout(resolve, index / 2));
      const hash = `sha256:${hashOfKey(newKey())}`;
      await changeKeys(stand.keysFile, (keys) => keys.withNew({ name, hash }));
    }));
    expected.push(...names);
  }
  assert.deepEqual((await stand.names()).sort(), expected.sort());
  assert.deepEqual(
    (await Array.fromAsync(Deno.readDir(stand.folder), ({ name }) => name)).sort(),
    ["config.jsonc", "keys.jsonc"],
  );
});

Deno.test({
  name: "keys: the file keeps its owner, its mode, and the symlink that leads to it",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using stand = await startStand();
    // Another disk, where there is one: nothing can be renamed from one to the other.
    const elsewhere = await Deno.makeTempDir({
      dir: await Deno.stat("/dev/shm").then(() => "/dev/shm", () => undefined),
    });
    try {
      const real = join(elsewhere, "real.jsonc");
      await Deno.symlink(real, stand.keysFile);
      assert.equal((await stand.run(["create", "first"])).code, 0);
      assert.equal((await Deno.stat(real)).mode! & 0o777, 0o600);
      await Deno.chmod(real, 0o640);
      const isRoot = Deno.uid() === 0;
      if (isRoot) await Deno.chown(real, 12, 34);
      const { code, err } = await stand.run(["create", "second"]);
      assert.equal(code, 0, err);
      const { mode, uid, gid } = await Deno.stat(real);
      assert.equal(mode! & 0o777, 0o640);
      if (isRoot) assert.deepEqual([uid, gid], [12, 34]);
      assert.ok((await Deno.lstat(stand.keysFile)).isSymlink);
      assert.deepEqual(await stand.names(), ["first", "second"]);
    } finally {
      await Deno.remove(elsewhere, { recursive: true });
    }
  },
});

Deno.test("keys: a change that the configuration could not be read with is none", async () => {
  await using stand = await startStand({ access: { without_key: "guest" } });
  const key = newKey();
  assert.equal((await stand.run(["import", "guest"], key)).code, 0);
  const before = await Deno.readTextFile(stand.keysFile);
  const refused = async (args: string[], why: RegExp, stdin = "") => {
    const { code, out, err } = await stand.run(args, stdin);
    assert.deepEqual([code, out], [1, ""], err);
    assert.match(err, why);
    assert.equal(await Deno.readTextFile(stand.keysFile), before);
  };
  await refused(["import", "again"], /nothing was changed.*the same key as `guest`/, key);
  await refused(["create", "web", "--group", "nobody"], /no group is named `nobody`/);
  await refused(["revoke", "guest"], /nothing was changed.*without_key/);
  assert.deepEqual(await stand.names(), ["guest"]);
  // What was wrong before stands in nobody's way.
  const broken = before.replace("\n]", '\n  { "name": "odd", "hash": "sha256:1" },\n]');
  await Deno.writeTextFile(stand.keysFile, broken);
  assert.equal((await stand.run(["revoke", "odd"])).code, 0);
  assert.deepEqual(await stand.names(), ["guest"]);
});

Deno.test("keys: a file that cannot be read is told without the words of the system", async () => {
  await using stand = await startStand({ keys_file: "." });
  const { code, err } = await stand.run(["create", "web"]);
  assert.deepEqual([code, err.trim()], [
    1,
    `${await Deno.realPath(stand.folder)} cannot be read: Is a directory`,
  ]);
});
