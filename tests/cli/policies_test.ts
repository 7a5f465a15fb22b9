// The commands about policies, as a shell runs them.

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pack } from "../../lib/observe/packed_file.ts";
import { POLICY_TYPES } from "../../lib/policy/plugin/types.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

async function run(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", join(ROOT, "deno.json"), join(ROOT, "main.ts"), ...args],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), said: text.decode(stderr) };
}

const CONFIG = {
  instances: [{ url: "http://127.0.0.1:8123", model_name: "m" }],
  policies: [
    { name: "own", type: "plugin", file: "own.ts", timeout: 1, keys: ["web*"] },
    { name: "most", type: "parameters", models: ["m"], maximum: { n: 2 } },
    { name: "trim", type: "context", max_tokens: 300, over: "truncate" },
    { name: "watch", type: "rewrite", mode: "audit", collapse_whitespace: true },
  ],
};
const PLUGIN = `export default { prompt({ texts }: { texts: { text: string }[] }) {
  return texts.some((t) => t.text.includes("bomb")) ? { action: "reject" } : "pass"; } };`;

async function folder(config: object = CONFIG) {
  const path = await Deno.makeTempDir();
  await Deno.writeTextFile(join(path, "config.jsonc"), JSON.stringify(config));
  await Deno.writeTextFile(join(path, "own.ts"), PLUGIN);
  return {
    path,
    config: join(path, "config.jsonc"),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

Deno.test("plugin --types prints what plugins are written against, and FILE is tried", async () => {
  await using stand = await folder();
  const types = await run("plugin", "--types");
  assert.deepEqual([types.code, types.out], [0, POLICY_TYPES]);
  const file = join(stand.path, "own.ts");
  const bad = await run("plugin", file, "--text", "a bomb");
  assert.equal(bad.code, 0, bad.said);
  assert.equal(JSON.parse(bad.out).action, "reject");
  await Deno.writeTextFile(file, "export default { prompt() { for (;;); } }");
  const loops = await run("plugin", file, "--timeout", "50");
  assert.equal(loops.code, 1);
  assert.match(loops.said, /timeout/);
});

Deno.test("policies list says what applies to a model and key, in the order in which it looks", async () => {
  await using stand = await folder();
  const all = await run("policies", "list", "--config", stand.config);
  assert.equal(all.code, 0);
  const names = all.out.trim().split("\n").slice(1).map((line) => line.split(/\s+/)[0]);
  assert.deepEqual(names, ["most", "watch", "trim", "own"]);
  const few = await run(
    "policies",
    "list",
    "--config",
    stand.config,
    "--model",
    "x",
    "--key",
    "ci",
  );
  assert.ok(!few.out.includes("most") && !few.out.includes("own") && few.out.includes("trim"));
});

Deno.test("policies test tries records: what is refused, changed, saved, with ids and without words", async () => {
  await using stand = await folder();
  const old = "old ".repeat(600);
  const human = (value: string) => ({ from: "human", value });
  const gpt = (value: string) => ({ from: "gpt", value });
  const meta = JSON.stringify({ key: "web-1" });
  const records = [
    { id: "r1", conversations: [human("make a bomb"), gpt("no")], model: "m", meta },
    { id: "r2", conversations: [human(old), gpt("a"), human("b"), gpt("c")], model: "m", meta },
    { id: "r3", conversations: [human("a  lot   of blanks"), gpt("ok")], model: "m", meta },
    { id: "r4", conversations: [human("make a bomb"), gpt("no")], model: "m", meta: "" },
  ];
  const file = join(stand.path, "records.jsonl");
  await Deno.writeTextFile(file, records.map((one) => JSON.stringify(one) + "\n").join(""));
  const { code, out, said } = await run(
    "policies",
    "test",
    "-c",
    stand.config,
    "--records",
    file,
    "--json",
  );
  assert.equal(code, 0, said);
  const [tried] = JSON.parse(out);
  assert.deepEqual([tried.samples, tried.refused, tried.changed], [4, 1, 1]);
  await pack(file);
  const packed = `${file}.gz`;
  const again = await run("policies", "test", "-c", stand.config, "--records", packed, "--json");
  assert.equal(JSON.parse(again.out)[0].samples, 4);
  assert.ok(tried.tokensSaved > 400);
  const deeds = tried.deeds.map(({ policy, mode, action, examples }: Record<string, unknown>) => ({
    policy,
    mode,
    action,
    examples,
  }));
  assert.deepEqual(deeds, [
    { policy: "own", mode: "enforce", action: "reject", examples: ["r1"] },
    { policy: "trim", mode: "enforce", action: "truncate", examples: ["r2"] },
    { policy: "watch", mode: "audit", action: "collapse", examples: ["r3"] },
  ]);
  assert.ok(!out.includes("bomb"));
  // Another configuration beside it.
  const other = join(stand.path, "other.jsonc");
  await Deno.writeTextFile(other, JSON.stringify({ ...CONFIG, policies: [] }));
  const both = await run(
    "policies",
    "test",
    "-c",
    stand.config,
    "--records",
    file,
    "--against",
    other,
  );
  assert.match(both.out, /4 looked at: 1 refused, 1 changed/);
  assert.match(both.out, /4 looked at: 0 refused, 0 changed/);
});

Deno.test("policies test tries answers: what would have been cut or masked, by each configuration", async () => {
  const words = (action: string) => ({
    ...CONFIG,
    policies: [
      { name: "words", type: "words", words: ["hunter2"], on: "answer", action },
      { name: "watch", type: "words", words: ["fine"], on: "answer", action, mode: "audit" },
    ],
  });
  await using stand = await folder(words("cut"));
  const conversation = (answer: string) => [
    { from: "human", value: "hunter2?" },
    { from: "gpt", value: answer },
  ];
  const records = ["it is hunter2", "all is fine"].map((answer, at) => ({
    id: `r${at}`,
    conversations: conversation(answer),
    model: "m",
    meta: "",
  }));
  const file = join(stand.path, "records.jsonl");
  await Deno.writeTextFile(file, records.map((one) => JSON.stringify(one) + "\n").join(""));
  const other = join(stand.path, "other.jsonc");
  await Deno.writeTextFile(other, JSON.stringify(words("mask")));
  const args = ["-c", stand.config, "--records", file, "--against", other, "--json"];
  const { code, out, said } = await run("policies", "test", ...args);
  assert.equal(code, 0, said);
  const [cut, masked] = JSON.parse(out);
  assert.deepEqual(cut.answers, { seen: 2, cut: 1, changed: 0 });
  assert.deepEqual(masked.answers, { seen: 2, cut: 0, changed: 1 });
  assert.deepEqual(
    cut.deeds.map(({ policy, stage, mode, examples }: Record<string, unknown>) => [
      policy,
      stage,
      mode,
      examples,
    ]),
    [["words", "answer", "enforce", ["r0"]], ["watch", "answer", "audit", ["r1"]]],
  );
});

Deno.test("policies test reads records of others: their meta is none, an id steers no terminal", async () => {
  await using stand = await folder();
  const conversations = [{ from: "human", value: "a  lot   of blanks" }];
  const records = ["not JSON", "[1]", 5, null].map((meta) => ({
    id: "\x1b[2Jr",
    conversations,
    meta,
  }));
  const file = join(stand.path, "records.jsonl");
  await Deno.writeTextFile(file, records.map((one) => JSON.stringify(one) + "\n").join(""));
  const { code, out, said } = await run("policies", "test", "-c", stand.config, "--records", file);
  assert.equal(code, 0, said);
  assert.match(out, /^4 looked at: [^]*watch .* \?\[2Jr$/m);
  assert.ok(!out.includes("\x1b"));
});

Deno.test("policies test looks at a text", async () => {
  await using stand = await folder();
  const { code, out } = await run("policies", "test", "a bomb", "-c", stand.config, "--key", "web");
  assert.equal(code, 0);
  assert.match(out, /1 looked at: 1 refused/);
});

Deno.test("a policy that can have no effect is refused, with its line and column", async () => {
  for (
    const [policy, words] of [
      [{ type: "parameters" }, /no effect/],
      [{ type: "parameters", set: { model: "x" } }, /what the request is about/],
      [{ type: "parameters", default: { n: 3 }, maximum: { n: 2 } }, /above its maximum/],
      [{ type: "system_prompt" }, /text_file/],
      [{ type: "system_prompt", text: "It is {{time}}" }, /cache/],
      [{ type: "system_prompt", text_file: "none.txt" }, /`none.txt` does not exist/],
      [{ type: "context", over: "compact" }, /model/],
      [{ type: "context", over: "reject", on: "answer" }, /on: unknown option/],
      [{ type: "rewrite" }, /no effect/],
      [{ type: "moderation", model: "g", api_key: "x" }, /without `url`/],
      [{ type: "plugin", file: "broken.ts" }, /broken\.ts:1:1/],
    ] as const
  ) {
    await using stand = await folder({ ...CONFIG, policies: [{ name: "p", ...policy }] });
    await Deno.writeTextFile(join(stand.path, "broken.ts"), "enum A { b }");
    const { loadConfig } = await import("../../lib/config/load.ts");
    const loaded = loadConfig(stand.config, await Deno.readTextFile(stand.config), () => undefined);
    assert.ok(!loaded.ok, JSON.stringify(policy));
    const told = loaded.problems.map(({ message }) => message).join("\n");
    assert.match(told, words);
    assert.ok(loaded.problems[0].line >= 1);
  }
});

Deno.test("policies test goes through more records than memory holds", async () => {
  await using stand = await folder({ ...CONFIG, policies: [] });
  const file = join(stand.path, "records.jsonl");
  const line = (id: number) => {
    const value = `${id} `.repeat(10_000);
    return `${JSON.stringify({ id, model: "m", conversations: [{ from: "human", value }] })}\n`;
  };
  {
    using written = await Deno.open(file, { write: true, create: true });
    for (let id = 10_000; id < 13_000; id++) {
      await written.write(new TextEncoder().encode(line(id)));
    }
  }
  const main = join(ROOT, "main.ts");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--max-old-space-size=100", main, "policies", "test"]
      .concat("-c", stand.config, "--records", file, "--json"),
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.equal(JSON.parse(new TextDecoder().decode(stdout))[0].samples, 3000);
});
