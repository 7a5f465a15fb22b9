// The export command: what it takes, what it leaves out, and the three forms. Its --output: export_output_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { pack } from "../../lib/observe/packed_file.ts";
import { day, lines, record, stand } from "./export_stand.ts";

Deno.test("sharegpt is one JSON array of the records, in the order of time", async () => {
  await using at = await stand({
    "requests_responses/20260102_00.jsonl": lines(record("b", ["x", "y"])),
    [day]: lines(record("a", ["x", "y"])),
  });
  const { code, text } = await at.export("--format", "sharegpt", "--data-dir", at.dir);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(text).map((one: { id: string }) => one.id), ["a", "b"]);
  assert.deepEqual(JSON.parse(text)[0], record("a", ["x", "y"]));
});

Deno.test("nothing recorded is an empty array, and no lines", async () => {
  await using at = await stand({ [day]: "" });
  assert.deepEqual(
    JSON.parse((await at.export("--format", "sharegpt", "--data-dir", at.dir)).text),
    [],
  );
  assert.equal((await at.export("--format", "openai", "--data-dir", at.dir)).text, "");
});

Deno.test("openai is a line of messages for each record, whichever form it was recorded in", async () => {
  const turns = [
    { from: "system", value: "s" },
    { from: "human", value: "look\n<image>" },
    { from: "gpt", value: "<think>r</think>wait" },
    { from: "human", value: "" },
    { from: "function_call", value: '{"name": "f", "arguments": {"x":1}}' },
    { from: "observation", value: "one" },
    { from: "gpt", value: "done" },
  ];
  const shared = record("a", [], {
    conversations: turns,
    images: ["https://x/a.png"],
    tools: '[{"type":"function","function":{"name":"f"}}]',
  });
  const messages = [{ role: "user", content: "Hi", odd: 1 }, { role: "assistant", content: "Ho" }];
  const plain = record("b", [], { conversations: undefined, messages });
  await using at = await stand({ [day]: lines(shared, plain) });
  const { text } = await at.export("--format", "openai", "--data-dir", at.dir);
  const [first, second] = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  const empty = { content: "", reasoning_content: "", tool_calls: [], tool_call_id: "" };
  assert.deepEqual(first.messages, [
    { ...empty, role: "system", content: "s" },
    { ...empty, role: "user", content: "look\n<image>" },
    {
      ...empty,
      role: "assistant",
      content: "wait",
      reasoning_content: "r",
      tool_calls: [{
        id: "call_4_0",
        type: "function",
        function: { name: "f", arguments: '{"x":1}' },
      }],
    },
    { ...empty, role: "tool", tool_call_id: "call_4_0", content: "one" },
    { ...empty, role: "assistant", content: "done" },
  ]);
  assert.deepEqual(JSON.parse(first.tools), [{ type: "function", function: { name: "f" } }]);
  assert.deepEqual([first.images, second.images], [["https://x/a.png"], []]);
  assert.deepEqual(second.messages, [
    { ...empty, role: "user", content: "Hi" },
    { ...empty, role: "assistant", content: "Ho" },
  ]);
  assert.equal(second.tools, "[]");
  const shareGpt = await at.export("--format", "sharegpt", "--data-dir", at.dir);
  assert.deepEqual(JSON.parse(shareGpt.text)[1].conversations, [
    { from: "human", value: "Hi" },
    { from: "gpt", value: "Ho" },
  ]);
});

Deno.test("alpaca has instruction, output and history, and leaves tool calls out", async () => {
  const withCall = record("c", [], {
    conversations: [{ from: "human", value: "x" }, { from: "function_call", value: "{}" }],
  });
  const withSystem = record("d", [], {
    conversations: [
      { from: "system", value: "s" },
      { from: "human", value: "x" },
      { from: "gpt", value: "y" },
    ],
  });
  await using at = await stand({
    [day]: lines(record("a", ["q1", "a1", "q2", "a2"]), withCall, withSystem),
  });
  const { text, said } = await at.export("--format", "alpaca", "--data-dir", at.dir);
  assert.deepEqual(JSON.parse(text), [
    { instruction: "q2", input: "", output: "a2", system: "", history: [["q1", "a1"]] },
    { instruction: "x", input: "", output: "y", system: "s", history: [] },
  ]);
  assert.match(said, /2 of 3 lines written/);
});

Deno.test("filters take what they name", async () => {
  await using at = await stand({
    [day]: lines(
      record("a", ["x", "y"]),
      record("b", ["x", "y"], { model: "n" }),
      record("c", ["x", "z"], {}, { finish_reason: "length" }),
      record("d", ["x", "y", "z", "w"], {}, { started_at: "2026-02-01T00:00:00Z" }),
    ),
  });
  const ids = async (...args: string[]) => {
    const { text } = await at.export("--format", "sharegpt", "--data-dir", at.dir, ...args);
    return JSON.parse(text).map((one: { id: string }) => one.id).join("");
  };
  assert.equal(await ids(), "abcd");
  assert.equal(await ids("--model", "n"), "b");
  assert.equal(await ids("--model", "n", "--model", "m"), "abcd");
  assert.equal(await ids("--finish", "length"), "c");
  assert.equal(await ids("--since", "2026-01-15"), "d");
  assert.equal(await ids("--until", "2026-01-15"), "abc");
  assert.equal(await ids("--min-turns", "3"), "d");
  assert.equal(await ids("--dedupe"), "acd");
});

Deno.test("torn lines are counted and left out", async () => {
  await using at = await stand({
    [day]: `${lines(record("a", ["x", "y"]))}{"id":"b\n\n7\n${lines(record("c", ["x", "y"]))}{"id`,
  });
  const { text, said } = await at.export("--format", "sharegpt", "--data-dir", at.dir);
  assert.equal(JSON.parse(text).length, 2);
  assert.match(said, /3 torn/);
});

Deno.test("lines longer than a piece of the file, and letters cut by its border, come whole", async () => {
  const long = "ž".repeat(300_001);
  await using at = await stand({
    [day]: lines(record("a", [`x${long}`, long]), record("b", ["x", "y"])),
  });
  const { text } = await at.export("--format", "sharegpt", "--data-dir", at.dir);
  const [first, second] = JSON.parse(text);
  assert.equal(first.conversations[0].value, `x${long}`);
  assert.equal(second.id, "b");
});

Deno.test("incomplete answers come only when they are asked for, and files beat the folder", async () => {
  await using at = await stand({
    [day]: lines(record("a", ["x", "y"])),
    "incomplete/20260101_00.jsonl": lines(record("b", ["x", "y"])),
    "incomplete/20260101_00.jsonl.torn": "{",
  });
  const from = async (...args: string[]) =>
    JSON.parse((await at.export("--format", "sharegpt", ...args)).text).length;
  assert.equal(await from("--data-dir", at.dir), 1);
  assert.equal(await from("--data-dir", at.dir, "--include-incomplete"), 2);
  assert.equal(await from(join(at.dir, day), join(at.dir, day)), 2);
});

Deno.test("without --format it is ShareGPT", async () => {
  await using at = await stand({ [day]: "" });
  const { code, text } = await at.export("--data-dir", at.dir);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(text), []);
});

Deno.test("mistakes are named, and leave no file behind", async () => {
  await using at = await stand({ [day]: "" });
  const missing = await at.export("--format", "sharegpt", join(at.dir, "nowhere.jsonl"));
  assert.equal(missing.code, 1);
  assert.match(missing.said, /nowhere\.jsonl/);
  const names = await Array.fromAsync(Deno.readDir(at.dir), (entry) => entry.name);
  assert.deepEqual(names, ["requests_responses"]);
  const bad = [
    [["--format", "csv"], /--format: expected sharegpt, openai, alpaca or parquet, got `csv`/],
    [["--format", "openai", "--since", "soon"], /--since: expected a time/],
    [["--format", "openai", "--min-turns", "x"], /--min-turns/],
  ] as const;
  for (const [args, message] of bad) {
    const { code, said } = await at.export(...args);
    assert.equal(code, 2);
    assert.match(said, message);
  }
});

Deno.test("plain conversations are exported without keys that none of them needs", async () => {
  await using at = await stand({ [day]: lines(record("a", ["x", "y"])) });
  const { text } = await at.export("--to", "openai", "--data-dir", at.dir);
  const { messages, ...rest } = JSON.parse(text);
  assert.deepEqual(messages, [{ role: "user", content: "x" }, { role: "assistant", content: "y" }]);
  assert.deepEqual(Object.keys(rest), ["id", "model", "created", "meta"]);
  const alpaca = await at.export("--to", "alpaca", "--data-dir", at.dir);
  assert.deepEqual(JSON.parse(alpaca.text), [{ instruction: "x", input: "", output: "y" }]);
});

Deno.test("an entry that shows the type of a list comes first, and once", async () => {
  const call = { from: "function_call", value: '{"name": "f", "arguments": {}}' };
  const late = record("z", [], { conversations: [{ from: "human", value: "x" }, call] });
  const many = Array.from({ length: 50 }, (_, at) => record(`${at}`, ["x", "y"]));
  await using at = await stand({ [day]: lines(...many, late, record("end", ["x", "y"])) });
  const { text, said } = await at.export("--to", "openai", "--data-dir", at.dir);
  const ids = text.trimEnd().split("\n").map((line) => JSON.parse(line).id);
  assert.deepEqual(ids, ["z", ...many.map((_, at) => `${at}`), "end"]);
  assert.match(said, /52 of 52 lines written/);
});

Deno.test("records of an earlier version are read as they were meant", async () => {
  const old = {
    id: "old",
    conversations: [{ from: "human", value: "look\n<image>" }, { from: "gpt", value: "a cat" }],
    images: ["https://x/cat.png"],
    model: "m",
    created: 1767225600,
    meta: { instance: "gpu-1", finish_reason: "length", started_at: "2026-01-01T00:00:00Z" },
  };
  const recent = record("new", ["look\n<image>", "a dog"], {}, {
    media: { images: ["https://x/dog.png"] },
  });
  await using at = await stand({ [day]: lines(old, recent) });
  const { text } = await at.export("--to", "sharegpt", "--data-dir", at.dir);
  const [first, second] = JSON.parse(text);
  assert.deepEqual(Object.keys(first), Object.keys(second));
  assert.deepEqual([first.images, second.images], [["https://x/cat.png"], ["https://x/dog.png"]]);
  assert.equal(JSON.parse(first.meta).instance, "gpu-1");
  const ended = await at.export("--to", "sharegpt", "--finish", "length", "--data-dir", at.dir);
  assert.deepEqual(JSON.parse(ended.text).map((one: { id: string }) => one.id), ["old"]);
});

Deno.test("prompts of token ids are left out: nothing can read them without the model", async () => {
  const ids = record("ids", ["[1,2]", "y"], {}, { prompt: "token_ids" });
  await using at = await stand({ [day]: lines(ids, record("a", ["x", "y"])) });
  const { text, said } = await at.export("--to", "sharegpt", "--data-dir", at.dir);
  assert.deepEqual(JSON.parse(text).map((one: { id: string }) => one.id), ["a"]);
  assert.match(said, /1 does not fit/);
});

Deno.test("hours that are packed are read whole, by either name and of a folder", async () => {
  const many = Array.from({ length: 200 }, (_, at) => record(`a${at}`, ["x", "y"]));
  await using at = await stand({
    [day]: lines(...many),
    "requests_responses/20260102_00.jsonl": lines(record("b", ["x", "y"])),
  });
  const path = join(at.dir, day);
  await pack(path);
  for (
    const [given, count] of [
      [["--data-dir", at.dir], 201],
      [[path], 200],
      [[`${path}.gz`], 200],
    ] as const
  ) {
    const { code, text, said } = await at.export("--format", "openai", ...given);
    assert.equal(code, 0, said);
    assert.equal(text.trimEnd().split("\n").length, count);
    assert.match(said, new RegExp(`^${count} of ${count} lines written`));
  }
});

Deno.test("a packed hour that was cut off is named, and nothing half is written", async () => {
  const ids = Array.from({ length: 200 }, () => record(crypto.randomUUID(), ["x", "y"]));
  await using at = await stand({ [day]: lines(...ids) });
  const path = `${join(at.dir, day)}.gz`;
  await pack(join(at.dir, day));
  await Deno.truncate(path, (await Deno.stat(path)).size / 2 | 0);
  for (const given of [["--data-dir", at.dir], [path]]) {
    const { code, said } = await at.export("--format", "openai", ...given);
    assert.equal(code, 1);
    assert.equal(said, `${path} is damaged and cannot be unpacked to its end`);
    await assert.rejects(Deno.stat(join(at.dir, "out")), Deno.errors.NotFound);
  }
});
