// Policies that can have no effect, or not the one that is meant, are refused where they stand.

import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { formatProblem } from "../../lib/config/parse.ts";
import { temporaryFolder } from "../support/processes.ts";

function problemsOf(...policies: object[]): string[] {
  const instances = [{ url: "http://127.0.0.1:8001", model_name: "m" }];
  const text = JSON.stringify({ instances, policies }, null, 2);
  const loaded = loadConfig("config.jsonc", text, () => undefined);
  return loaded.ok ? [] : loaded.problems.map(formatProblem);
}

const words = { name: "w", type: "words", words: ["x"], action: "mask" };

Deno.test("a policy that could have no effect is refused, with its place", () => {
  const cases: [object, RegExp][] = [
    [{ ...words, words: [] }, /expected `words` or a `file`/],
    [{ ...words, replacement: "-" }, /replacement: has no effect without action replace/],
    [{ ...words, on: "prompt", action: "cut" }, /action: cut has no effect on prompts/],
    [{ ...words, on: "prompt", in_schema: "same" }, /in_schema: has no effect/],
    [{ ...words, channels: [] }, /channels: is empty/],
    [{ ...words, on: "answer", channels: ["system"] }, /channels: has no effect on answers/],
    [
      { name: "p", type: "pii", action: "mask", restore: true },
      /restore: has no effect without action replace/,
    ],
    [
      { name: "p", type: "pii", on: "answer", action: "replace", restore: true },
      /restore: has no effect on answers alone/,
    ],
    [{ name: "r", type: "patterns", patterns: ["a+"], action: "mask" }, /expected `max_length`/],
    [{ name: "r", type: "patterns", patterns: ["(?=a)"], action: "mask" }, /patterns\[0\]/],
    [{ name: "c", type: "context", on: "answer" }, /on/],
    [{ name: "c", type: "context", over: "compact" }, /over: compact needs a `model`/],
    [{ name: "s", type: "system_prompt" }, /expected either `text` or `text_file`/],
    [{ name: "d", type: "parameters" }, /has no effect: expected `default`/],
    [
      { name: "g", type: "webhook", url: "http://a", release: "first" },
      /release: has no effect on prompts/,
    ],
  ];
  for (const [policy, expected] of cases) {
    const [problem, ...more] = problemsOf(policy);
    assert.match(problem ?? "", expected, JSON.stringify(policy));
    assert.match(problem, /^config\.jsonc:\d+:\d+: /);
    assert.deepEqual(more, []);
  }
  assert.deepEqual(
    problemsOf(words, { ...words, name: "x", on: "both", channels: ["system"] }),
    [],
  );
  assert.match(problemsOf(words, words)[0], /name: a second policy of this name/);
});

Deno.test("a list of words that is no UTF-8 is refused: its words would never be found", async () => {
  await using folder = await temporaryFolder();
  const problemOf = async (bytes: number[]) => {
    await Deno.writeFile(`${folder.path}/words.txt`, Uint8Array.from(bytes));
    const instances = [{ url: "http://127.0.0.1:8001", model_name: "m" }];
    const policies = [{ name: "w", type: "words", file: "words.txt", action: "mask" }];
    const text = JSON.stringify({ instances, policies });
    const loaded = loadConfig(`${folder.path}/config.jsonc`, text, () => undefined);
    return loaded.ok ? "" : loaded.problems.map(({ message }) => message).join();
  };
  const ascii = (text: string) => [...text].map((char) => char.charCodeAt(0));
  const gbk = [0xb2, 0xe2, 0xca, 0xd4];
  assert.equal(await problemOf([...ascii("# "), ...gbk, ...ascii("\nword\n")]), "");
  assert.match(
    await problemOf([...ascii("word\n"), ...gbk]),
    /^policies\[0\]\.file: line 2 of `words\.txt` is not UTF-8; save/,
  );
  const utf16 = ascii("word\n").flatMap((unit) => [unit, 0]);
  assert.match(await problemOf([0xff, 0xfe, ...utf16]), /line 1 of `words\.txt` is not UTF-8/);
  assert.match(await problemOf(utf16), /line 1 of `words\.txt` is not UTF-8/);
  const mark = [...new TextEncoder().encode("\ufffd\n")];
  assert.equal(await problemOf(mark), "", "that is a character, too");
  assert.match(await problemOf([...mark, ...gbk]), /is not UTF-8/);
});
