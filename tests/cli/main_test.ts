// The program's first argument.

import assert from "node:assert/strict";
import { join } from "node:path";
import project from "../../deno.json" with { type: "json" };
import { commands } from "../../lib/cli/main.ts";
import { ROOT, startProcess, temporaryFolder } from "../support/processes.ts";

async function ran(args: string[], cwd = ROOT) {
  await using child = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), ...args],
    cwd,
  });
  const { code } = await child.status;
  return { code, out: child.stdout().trim(), err: child.stderr().trim() };
}

Deno.test("the version is told for each way to ask", async () => {
  for (const word of ["--version", "-V", "-v", "version"]) {
    assert.deepEqual(await ran([word]), { code: 0, out: project.version, err: "" });
  }
});

Deno.test("each command explains itself, with examples, within the width of a page", async () => {
  const { out: overview } = await ran(["--help"]);
  for (const { name, summary } of commands) {
    assert.ok(overview.includes(`  ${name.padEnd(10)}  ${summary}`), name);
  }
  for (const { name, run } of commands) {
    const said: string[] = [];
    const { log } = console;
    console.log = (line: string) => said.push(line);
    try {
      assert.equal(await run(["--help"]), 0);
    } finally {
      console.log = log;
    }
    const help = said.join("\n");
    assert.ok(help.startsWith(`Usage: simple-ai-gateway ${name}`), help);
    const [text, examples] = help.split("\nExamples:\n");
    assert.match(examples, /^ {2}simple-ai-gateway/);
    for (const line of text.split("\n")) assert.ok(line.length <= 100, line);
  }
  assert.equal((await ran(["help", "logs"])).out, (await ran(["logs", "--help"])).out);
});

Deno.test("a misspelt command is answered with the nearest one", async () => {
  const { code, err } = await ran(["serv"]);
  assert.equal(code, 2);
  assert.match(err, /^unknown command `serv`; did you mean `serve`\?$/m);
  assert.match((await ran(["help", "statsu"])).err, /did you mean `status`/);
  assert.match((await ran(["constructor"])).err, /there are serve, init, check/);
});

Deno.test("where there is no configuration, the error says what to do", async () => {
  await using folder = await temporaryFolder();
  for (const args of [[], ["serve"], ["check"], ["alert"]]) {
    const { code, err } = await ran(args, folder.path);
    assert.equal(code, 1);
    assert.match(err, /^config\.jsonc:1:1: the file does not exist$/m);
    assert.match(err, /`simple-ai-gateway init` writes one/);
    assert.match(err, /`serve --instance URL` serves without, and `dev`/);
  }
});

Deno.test("a syntax error says what is missing, below the line that it is missing in", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/bad.json`;
  for (
    const [text, said] of [
      [
        '{\n  "port": 1\n  "host": "h"\n}',
        /:3:3: syntax: a comma is missing before this\n {4}"host": "h"\n {4}\^$/,
      ],
      ['{"a": [1 2]}', /:1:10: syntax: a comma is missing before this\n.*\n {11}\^$/],
      ['{"port" 1}', /:1:9: syntax: a colon is missing before this\n/],
      ['{"a": {"b": 1}, "port" {}}', /:1:24: syntax: a colon is missing before this\n/],
      ['{"a": [1, "b" {}]}', /:1:15: syntax: a comma is missing before this\n/],
      ['{"a": [[1], "b" 2]}', /:1:17: syntax: a comma is missing before this\n/],
      // A line that may hold a secret is not shown again.
      ['{"api_key": "sk-1" "port": 1}', /:1:20: syntax: a comma is missing before this$/],
      [`{"x": "${"y".repeat(300)}" "port": 1}`, /missing before this\n {2}.{30,80}\n +\^$/],
    ] as const
  ) {
    await Deno.writeTextFile(path, text);
    const { code, err } = await ran(["check", "--config", path]);
    assert.equal(code, 1);
    assert.match(err, said);
  }
});

Deno.test("an option that is the beginning of another is answered with that", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/bad.json`;
  await Deno.writeTextFile(path, '{"instances": [{"url": "http://127.0.0.1:2", "model": "m"}]}');
  const { err } = await ran(["check", "--config", path]);
  assert.match(err, /instances\[0\]\.model: unknown option; did you mean `model_name`\?/);
});

Deno.test("a configuration in place of a command, or from standard input, is answered with what to write", async () => {
  await using folder = await temporaryFolder();
  const named = await ran(["gateway.json5"], folder.path);
  assert.equal(named.code, 2);
  assert.match(
    named.err,
    /unknown command `gateway.json5`; did you mean `serve --config gateway.json5`\?/,
  );
  const piped = await ran(["check", "--config", "-"], folder.path);
  assert.equal(piped.code, 1);
  assert.match(piped.err, /^-:1:1: expected a file's name: it is watched$/m);
});

Deno.test("commands that take the folder of a configuration, or its keys, say what is wrong with it", async () => {
  await using folder = await temporaryFolder();
  const config = `${folder.path}/config.jsonc`;
  // Nobody has to set the gateway's variables to see what it wrote.
  await Deno.writeTextFile(
    config,
    '{"port": "x", "admin": {"token": "${NO_SUCH}"}, "data_dir": "there"}',
  );
  await Deno.mkdir(`${folder.path}/there/requests_responses`, { recursive: true });
  for (const command of ["logs", "requests", "events", "export"]) {
    const { code, err } = await ran([command], folder.path);
    assert.equal(code, 0, `${command}: ${err}`);
    assert.doesNotMatch(err, /config|\.\/data/);
  }
  await Deno.writeTextFile(config, '{"data_dir": 1}');
  for (const command of ["logs", "requests", "events", "export"]) {
    const { code, err } = await ran([command], folder.path);
    assert.equal(code, 1);
    assert.match(err, /^config\.jsonc:1:\d+: .*\n--data-dir names the folder/);
  }
  const keys = await ran(["keys", "create", "web", "--config", "."], folder.path);
  assert.equal(keys.code, 1);
  assert.match(keys.err, /^\.:1:1: the file cannot be read: Is a directory$/m);
});

Deno.test("an address of a gateway needs no http:// before it", async () => {
  const { code, err } = await ran(["status", "--url", "127.0.0.1:2"]);
  assert.equal(code, 1);
  assert.match(err, /^no gateway answers at http:\/\/127\.0\.0\.1:2: /);
});

Deno.test("an address that the host does not have is told as that", async () => {
  await using folder = await temporaryFolder();
  const config = `${folder.path}/config.jsonc`;
  await Deno.writeTextFile(
    config,
    '{"instances": [{"url": "http://127.0.0.1:2", "model_name": "m"}], "host": "192.0.2.1"}',
  );
  const { code, err } = await ran(["serve", "--config", config], folder.path);
  assert.equal(code, 1);
  assert.match(err, /192\.0\.2\.1:9999: this host has no such address; --host chooses another/);
});

Deno.test("where there are no records or no gateway, the command says where it looked", async () => {
  await using folder = await temporaryFolder();
  const none = await ran(["export"], folder.path);
  assert.equal(none.code, 1);
  assert.match(none.err, /^no records: there is no folder data\/requests_responses; --data-dir/);
  const away = await ran(["status", "--url", "http://127.0.0.1:2"], folder.path);
  assert.equal(away.code, 1);
  assert.match(
    away.err,
    /^no gateway answers at http:\/\/127\.0\.0\.1:2: [^:]+; --url names another$/m,
  );
});

Deno.test("a folder stands for the records in it, packed ones as well", async () => {
  await using folder = await temporaryFolder();
  const line = (id: string) =>
    JSON.stringify({
      id,
      conversations: [{ from: "human", value: "hi" }, { from: "gpt", value: id }],
      tools: "",
      model: "m",
      created: 1,
      meta: "{}",
    }) + "\n";
  const records = `${folder.path}/records`;
  await Deno.mkdir(records);
  await Deno.writeTextFile(`${records}/20260102_00.jsonl`, line("second"));
  const packed = new Blob([line("first")]).stream().pipeThrough(new CompressionStream("gzip"));
  await Deno.writeFile(`${records}/20260101_00.jsonl.gz`, packed);
  await Deno.writeTextFile(`${records}/notes.txt`, "no records");
  const read = await ran(["export", "--format", "openai", records], folder.path);
  assert.equal(read.code, 0, read.err);
  const ids = read.out.trim().split("\n").map((text) => JSON.parse(text).id);
  assert.deepEqual(ids, ["first", "second"]);
  const away = await ran(["export", "--output", "out.json", "away.jsonl"], folder.path);
  assert.match(away.err, /^away\.jsonl does not exist$/m);
  await Deno.mkdir(`${folder.path}/empty`);
  const none = await ran(["export", `${folder.path}/empty`], folder.path);
  assert.deepEqual([none.code, none.out], [1, ""]);
  assert.match(none.err, /^no records in .*\/empty: no \*\.jsonl$/m);
});

Deno.test("a word that a command does not know is answered with the one that was meant", async () => {
  await using folder = await temporaryFolder();
  for (
    const [args, said] of [
      [["check", "other.jsonc"], /did you mean `--config other\.jsonc`\?/],
      [["policies", "lst"], /expected one of list, test, got `lst`; did you mean `list`\?/],
      [["records", "delte"], /expected `delete`, got `delte`; did you mean `delete`\?/],
      [["limits", "rest", "web"], /expected `reset`, got `rest`; did you mean `reset`\?/],
      [["completion", "pwsh"], /expected one of bash, zsh, fish, got `pwsh`/],
    ] as const
  ) {
    const { code, err } = await ran([...args], folder.path);
    assert.equal(code, 2, err);
    assert.match(err, said);
  }
});

Deno.test("keys usage reads what a gateway without a file has written", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(join(folder.path, "data"));
  const { code, out } = await ran(["keys", "usage"], folder.path);
  assert.equal(code, 0);
  assert.match(out, /nothing was used/);
});

Deno.test("limits that no gateway fills up end with where it was looked for", async () => {
  const { code, err } = await ran(["limits", "reset", "web", "--url", "http://127.0.0.1:2"]);
  assert.equal(code, 1);
  assert.match(err, /^no gateway answers at http:\/\/127\.0\.0\.1:2: [^:]+; --url names another$/m);
});

Deno.test("a file that is not there is named, without the words of the system", async () => {
  await using folder = await temporaryFolder();
  for (
    const args of [
      ["plugin", "none.ts"],
      ["export", "none.ts"],
      ["explain", "--request", "none.ts"],
      ["explain", "--replay", "none.ts"],
      ["simulate", "--answer", "@none.ts"],
    ]
  ) {
    const { code, err } = await ran(args, folder.path);
    assert.ok(code > 0, args.join(" "));
    assert.match(err, /^(--answer: )?none\.ts does not exist$/m);
  }
});
