// Hugging Face's `datasets` loads what was recorded and every export of it: the real library, which
// LLaMA-Factory, TRL and axolotl read with, on more than it looks at before it believes a schema.

import assert from "node:assert/strict";
import { join } from "node:path";
import { dialectOf } from "../../lib/api/dialects.ts";
import { exportRecords } from "../../lib/cli/export.ts";
import { recordLine } from "../../lib/record/json_text.ts";
import { recordsOf } from "../../lib/record/record.ts";
import { assemble } from "../../lib/sse/assemble/assemble.ts";
import { temporaryFolder } from "../support/processes.ts";
import { capture, chunk, completion, storeOf } from "./samples.ts";
import { exists } from "../support/exists.ts";

const version = Deno.env.get("DATASETS_VERSION") ?? "3.6.0";
const cache = Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "", ".cache");
const environment = join(cache, "simple-ai-gateway-tests", `datasets-${version}`);
const python = join(environment, "bin", "python");
const isThere = await exists(join(environment, "ready"));

const user = (content: unknown) => ({ role: "user", content });
const BYTES = 40 * 1024 * 1024;
const words = "The quick brown fox jumps over the lazy dog. 敏捷的棕色狐狸跳过了懒狗。 ".repeat(40);

/** Lines of record files: BYTES of plain chats, and only then one of each rarer kind. */
function* mixedRecords(): Generator<{ folder: string; line: string }> {
  let count = 0;
  const made = (
    request: object,
    response: Parameters<typeof capture>[1],
    more: Parameters<typeof capture>[2] = {},
  ) => {
    const body = response === null || "steps" in response
      ? response
      : { ...response, id: `answer-${count++}` };
    const finished = capture(request, body, more);
    const { complete, lines } = recordsOf(
      finished,
      assemble(dialectOf(finished.api).assembler(), finished.response),
      "sharegpt",
    );
    return lines.map((line) => ({
      folder: complete ? "requests_responses" : "incomplete",
      line: recordLine(line),
    }));
  };
  for (let bytes = 0; bytes < BYTES;) {
    for (const one of made({ messages: [user(words)] }, completion({ content: words }))) {
      bytes += new TextEncoder().encode(one.line).length;
      yield one;
    }
  }
  const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
  const call = { id: "c", type: "function", function: { name: "f", arguments: '{"x":1}' } };
  const image = { type: "image_url", image_url: { url: "https://x/a.png" } };
  const answer = completion({ content: "a \ud83c b", reasoning: "hm", odd: { nested: [1] } });
  yield* made({ messages: [user("x?")], tools }, completion({ content: null, tool_calls: [call] }));
  yield* made({ messages: [user([image]), { role: "system", content: "s" }] }, answer);
  yield* made({ messages: [user("a"), { role: "assistant", content: "b" }, user("c")] }, answer);
  yield* made(
    { messages: [user("\udcad\u2028")], temperature: 0.1, logit_bias: { 1: 2 } },
    answer,
    {
      attempts: [{ instance: "a", error: "refused" }, { instance: "b", status: 200 }],
      resumed: [{ from: "a", to: "b", way: "continue", atChars: 3 }],
    },
  );
  yield* made({ prompt: [1, 2] }, { choices: [{ text: "a", finish_reason: "stop" }] }, {
    api: "completions",
  });
  const cut = storeOf([chunk({ content: "Hal" })]);
  yield* made({ messages: [user("left")] }, cut, { outcome: "aborted", firstByteMs: null });
  yield* made({}, null, { outcome: "failed", error: "down", status: 503 });
}

interface Loaded {
  rows: number;
  features: Record<string, string>;
  first: Record<string, unknown>;
  last: Record<string, unknown>;
  ids: number | null;
}

async function load(
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<Record<string, Loaded>> {
  const { code, stdout, stderr } = await new Deno.Command(python, {
    args: [
      join(import.meta.dirname!, "datasets", "load.py"),
      join(folder, "cache"),
      ...Object.entries(files).map(([name, path]) => `${name}=${path}`),
    ],
    env: { HF_HUB_OFFLINE: "1", HF_DATASETS_OFFLINE: "1", HF_HOME: join(folder, "home") },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr).slice(-3000));
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test({
  name: "40 MB of records whose rare keys come late, and every export of them, load with datasets" +
    (isThere ? "" : ": skipped, run tests/record/datasets/prepare.sh first"),
  ignore: !isThere,
  fn: async () => {
    await using folder = await temporaryFolder();
    const data = join(folder.path, "data");
    const counts: Record<string, number> = { requests_responses: 0, incomplete: 0 };
    for (const name of Object.keys(counts)) await Deno.mkdir(join(data, name), { recursive: true });
    const files = Object.fromEntries(
      await Promise.all(
        Object.keys(counts).map(async (name) =>
          [name, await Deno.create(join(data, name, "20260101_00.jsonl"))] as const
        ),
      ),
    );
    for (const { folder, line } of mixedRecords()) {
      counts[folder]++;
      const bytes = new TextEncoder().encode(line);
      for (let at = 0; at < bytes.length;) at += await files[folder].write(bytes.subarray(at));
    }
    for (const file of Object.values(files)) file.close();
    const exported = (name: string) => join(folder.path, name);
    for (const form of ["sharegpt", "openai", "alpaca", "parquet"]) {
      const args = ["--to", form, "--data-dir", data, "--output", exported(form)];
      assert.equal(await exportRecords.run(args), 0, form);
    }

    const loaded = await load(folder.path, {
      ...Object.fromEntries(
        Object.keys(counts).map((name) => [name, `json:${join(data, name, "20260101_00.jsonl")}`]),
      ),
      sharegpt: `json:${exported("sharegpt")}`,
      openai: `json:${exported("openai")}`,
      alpaca: `json:${exported("alpaca")}`,
      parquet: `parquet:${exported("parquet")}`,
    });
    const rows = Object.entries(loaded).map(([name, { rows }]) => [name, rows]);
    const complete = counts.requests_responses;
    assert.deepEqual(Object.fromEntries(rows), {
      requests_responses: complete,
      incomplete: 2,
      // Without the prompt of token ids.
      sharegpt: complete - 1,
      openai: complete - 1,
      // Without the call of a tool, too.
      alpaca: complete - 2,
      parquet: complete - 1,
    });
    const keys = ["id", "conversations", "tools", "model", "created", "meta"];
    for (const name of Object.keys(counts)) {
      assert.deepEqual(Object.keys(loaded[name].features), keys);
      assert.deepEqual(loaded[name].features, loaded.requests_responses.features);
    }
    assert.equal(loaded.parquet.ids, complete - 1);
    assert.equal(loaded.openai.ids, complete - 1);
    // What comes last is what no loader could know of at first.
    const { meta } = loaded.requests_responses.last;
    assert.equal(JSON.parse(meta as string).prompt, "token_ids");
    const last = loaded.parquet.last as { messages: { content: string; role: string }[] };
    assert.deepEqual(last.messages.map(({ role, content }) => [role, content]), [
      ["user", "\ufffd\u2028"],
      ["assistant", "a \ufffd b"],
    ]);
    const call = loaded.openai.first as { messages: { tool_calls: unknown[] }[] };
    assert.deepEqual(call.messages[1].tool_calls, [
      { id: "call_1_0", type: "function", function: { name: "f", arguments: '{"x":1}' } },
    ]);
    assert.deepEqual(loaded.sharegpt.last.images, []);
  },
});
