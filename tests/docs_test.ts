// The documents tell the truth: the reference is the schema's, every command, flag, option, file and
// message that they name exists, and every configuration in them loads.

import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig } from "../lib/config/load.ts";
import { referenceText } from "../tools/reference.ts";

const ROOT = join(import.meta.dirname!, "..");

async function* filesIn(folder: string, ending: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* filesIn(path, ending);
    else if (path.endsWith(ending)) yield path;
  }
}

async function documents(): Promise<[path: string, text: string][]> {
  const paths = [join(ROOT, "README.md")];
  for await (const path of filesIn(join(ROOT, "docs"), ".md")) paths.push(path);
  return await Promise.all(
    paths.map(async (path) => [path, await Deno.readTextFile(path)] as [string, string]),
  );
}

const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map((m) =>
    m[1]
  );

async function said(args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("docs/configuration.md is what the schema says today (deno task schema)", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(referenceText()));
  await writer.close();
  const { stdout } = await child.output();
  const onDisk = await Deno.readTextFile(join(ROOT, "docs/configuration.md"));
  assert.equal(onDisk, new TextDecoder().decode(stdout));
});

Deno.test("every command and flag in the documents is one of the program's", async () => {
  const help = new Map<string, string>();
  let seen = 0;
  for (const [path, text] of await documents()) {
    const lines = blocks(text, "sh").join("\n").replaceAll("\\\n", " ").split("\n");
    for (const line of lines) {
      const call = line.match(/(?:^|\s)simple-ai-gateway ([a-z]+)([^|>&]*)/);
      if (call === null) continue;
      const [, first, rest] = call;
      // `keys` has commands of its own, each with its flags.
      const own = first === "keys" ? rest.match(/^ ([a-z]+)/)?.[1] : undefined;
      const command = own === undefined ? first : `${first} ${own}`;
      if (!help.has(command)) {
        const words = command.split(" ");
        help.set(command, await said(["run", "-A", "main.ts", ...words, "--help"]));
      }
      assert.doesNotMatch(help.get(command)!, /unknown command/, `${path}: ${line}`);
      for (const [flag] of rest.matchAll(/--[a-z-]+/g)) {
        assert.ok(help.get(command)!.includes(flag), `${path}: ${line}: ${flag}`);
      }
      seen++;
    }
  }
  assert.ok(seen > 8);
});

Deno.test("every configuration in the documents loads", async () => {
  let seen = 0;
  for (const [path, text] of await documents()) {
    for (const block of blocks(text, "jsonc")) {
      // A part of a configuration is completed with an instance.
      const whole = block.includes('"instances"')
        ? block
        : block.replace("{", '{ "instances": [{ "url": "http://a:8000", "model_name": "m" }],');
      // A keys file lies beside a configuration, not beside a document.
      const key = `"keys": [{ "name": "k", "hash": "sha256:${"0".repeat(64)}" }]`;
      const loaded = loadConfig(
        path,
        whole.replace(/"keys_file": "[^"]*"/, key),
        (name) => name.endsWith("_URL") ? "https://value.example" : "value-of-a-usual-length-or-so",
      );
      assert.ok(loaded.ok, `${path}: ${block}\n${JSON.stringify(loaded)}`);
      seen++;
    }
  }
  assert.ok(seen > 3);
});

Deno.test("the messages and alerts that the guides explain are the program's", async () => {
  let sources = "";
  for await (const path of filesIn(join(ROOT, "lib"), ".ts")) {
    sources += await Deno.readTextFile(path);
  }
  // A message may be written in several pieces in the source.
  const plain = sources.replace(/["`'] \+\s*["`']/g, "").replaceAll("\\`", "`");
  const rows = (text: string) =>
    text.split("\n").filter((line) => line.startsWith("| `")).map((line) =>
      line.split("|")[1].trim()
    );
  const guide = await Deno.readTextFile(join(ROOT, "docs/guides/troubleshooting.md"));
  for (const row of rows(guide)) {
    const fragments = row.replace(/\(\d{3}.*\)$/, "").split(/…|`[a-zA-Z]*`|`{1,2}|\d+ s|\n/)
      .map((piece) => piece.replace(/^[:\s`]+|[:\s`]+$/g, "")).filter((piece) => piece.length >= 8);
    assert.ok(fragments.length > 0, row);
    for (const fragment of fragments) assert.ok(plain.includes(fragment), `${row}: ${fragment}`);
  }
  const operating = await Deno.readTextFile(join(ROOT, "docs/guides/operating.md"));
  for (const row of rows(operating.slice(operating.indexOf("## Alerts")))) {
    const kind = row.replaceAll("`", "");
    assert.ok(sources.includes(`"${kind}"`), kind);
  }
});
