// What the gateway recorded loads as a ShareGPT data set. The two loaders here apply the rules of
// LLaMA-Factory (its converter and formatters for `sharegpt`) and of vLLM's benchmark; they share no
// code with the recorder.

import assert from "node:assert/strict";
import { join } from "node:path";
import { startGateway } from "../support/processes.ts";
import { recordsOf } from "../support/records.ts";
import { chunk, completion, sse, startUpstream } from "../support/upstream.ts";

/** One example as LLaMA-Factory's converter leaves it. */
interface Aligned {
  system: string;
  tools: string;
  prompt: { role: string; content: string }[];
  response: { role: string; content: string };
}

/** LLaMA-Factory: alternation by position, an even number of turns, calls and tools that parse. */
function alignLikeLlamaFactory(example: Record<string, unknown>): Aligned {
  const tags = new Map([
    ["human", "user"],
    ["gpt", "assistant"],
    ["observation", "observation"],
    ["function_call", "function"],
    ["system", "system"],
  ]);
  let turns = example.conversations as { from: string; value: string }[];
  let system = (example.system as string | undefined) ?? "";
  if (turns[0].from === "system") {
    system = turns[0].value;
    turns = turns.slice(1);
  }
  assert.ok(turns.length > 0, "no turns");
  assert.equal(turns.length % 2, 0, `an odd number of turns: ${turns.map((turn) => turn.from)}`);
  const aligned = turns.map(({ from, value }, index) => {
    const accepted = index % 2 === 0 ? ["human", "observation"] : ["gpt", "function_call"];
    assert.ok(accepted.includes(from), `${from} at position ${index + 1}`);
    assert.equal(typeof value, "string");
    if (from === "function_call") checkCalls(value);
    return { role: tags.get(from)!, content: value };
  });
  const tools = (example.tools as string | undefined) ?? "";
  assert.equal(typeof tools, "string", "tools is a JSON string");
  if (tools !== "") checkTools(tools);
  return { system, tools, prompt: aligned.slice(0, -1), response: aligned.at(-1)! };
}

function checkCalls(value: string): void {
  const calls = JSON.parse(value.replace(/<think>[\s\S]*<\/think>/, ""));
  for (const call of Array.isArray(calls) ? calls : [calls]) {
    assert.equal(typeof call.name, "string", value);
    assert.ok("arguments" in call, value);
  }
}

function checkTools(text: string): void {
  const tools = JSON.parse(text);
  assert.ok(Array.isArray(tools), text);
  for (const tool of tools) {
    const inner = tool.type === "function" ? tool.function : tool;
    assert.equal(typeof inner.name, "string", text);
    assert.equal(typeof inner.parameters, "object", text);
  }
}

/** vLLM's benchmark: one JSON array; entries with two turns or more give a prompt and an answer. */
function loadLikeVllmBenchmark(array: string): { prompt: string; answer: string }[] {
  const entries = JSON.parse(array) as { conversations?: { value: string }[] }[];
  assert.ok(Array.isArray(entries));
  return entries.filter((entry) => (entry.conversations?.length ?? 0) >= 2).map((entry) => ({
    prompt: entry.conversations![0].value,
    answer: entry.conversations![1].value,
  }));
}

const weather = {
  type: "function",
  function: { name: "weather", description: "d", parameters: { type: "object", properties: {} } },
};

const toolMessage = (id: string, city: string) => ({
  id,
  type: "function",
  function: { name: "weather", arguments: JSON.stringify({ city }) },
});

function answer(text: string): Response {
  const body = JSON.parse(text);
  const last = body.messages.at(-1);
  if (last.content === "Call both" && body.stream) {
    const call = (index: number, more: object) => chunk({ tool_calls: [{ index, ...more }] });
    return sse([
      chunk({ role: "assistant", content: "" }),
      chunk({ reasoning: "Two cities." }),
      chunk({ content: "One moment." }),
      call(0, { id: "a", type: "function", function: { name: "weather", arguments: "" } }),
      call(1, { id: "b", type: "function", function: { name: "weather", arguments: "{}" } }),
      call(0, { function: { arguments: '{"city":"Ulm"}' } }),
      chunk({}, "tool_calls"),
      "[DONE]",
    ]);
  }
  if (body.stream) {
    return sse([
      chunk({ role: "assistant", content: "" }),
      chunk({ reasoning: "Hm." }),
      chunk({ content: "Streamed " }),
      chunk({ content: "answer\n\u2028 with \u{1F600}" }, "stop"),
      "[DONE]",
    ]);
  }
  if (last.content === "Call one") {
    return completion("", {
      choices: [{
        index: 0,
        message: { role: "assistant", content: null, tool_calls: [toolMessage("c", "Bonn")] },
        finish_reason: "tool_calls",
      }],
    });
  }
  return completion("A plain answer.");
}

const user = (content: string) => ({ role: "user", content });

const requests: object[] = [
  { messages: [user("Hello")] },
  { messages: [{ role: "system", content: "Be brief." }, user("Hello again")] },
  { messages: [user("Stream it")], stream: true },
  { messages: [user("Call one")], tools: [weather] },
  { messages: [user("Call both")], tools: [weather], stream: true },
  {
    messages: [
      user("Weather in Ulm and Bonn?"),
      {
        role: "assistant",
        content: null,
        tool_calls: [toolMessage("a", "Ulm"), toolMessage("b", "Bonn")],
      },
      { role: "tool", tool_call_id: "a", content: "rain" },
      { role: "tool", tool_call_id: "b", content: "sun" },
    ],
    tools: [weather],
  },
  {
    messages: [
      { role: "developer", content: "Be kind." },
      user("First"),
      user("and second"),
      { role: "assistant", content: "Yes?" },
      user("Third"),
    ],
  },
  { messages: [{ role: "user", content: [{ type: "text", text: "In parts" }] }] },
];

Deno.test("every record of the gateway loads by the rules of LLaMA-Factory and vLLM's benchmark", async () => {
  await using upstream = startUpstream((seen) => answer(seen.text));
  await using gateway = await startGateway({
    config: { instances: [{ url: upstream.url, model_name: "m" }] },
  });
  for (const request of requests) {
    const response = await gateway.post("/v1/chat/completions", { model: "m", ...request });
    assert.equal(response.status, 200, await response.text());
  }
  const lines = await recordsOf(gateway, requests.length);
  const folder = join(gateway.dataDir, "requests_responses");
  const [file] = await Array.fromAsync(Deno.readDir(folder), (entry) => join(folder, entry.name));

  const examples: Aligned[] = [];
  for (const line of lines as unknown as Record<string, unknown>[]) {
    examples.push(alignLikeLlamaFactory(line));
  }
  assert.equal(examples[1].system, "Be brief.");
  assert.match(examples[2].response.content, /^<think>\s*Hm\.\s*<\/think>\s*Streamed answer/);
  assert.equal(examples[3].response.role, "function");
  assert.equal(examples[4].response.role, "function");
  assert.match(examples[4].response.content, /Ulm/);
  assert.equal(examples[5].prompt.at(-1)?.role, "observation");
  assert.match(examples[5].prompt.at(-1)!.content, /rain[\s\S]*sun/);
  assert.equal(examples[7].prompt[0].content, "In parts");

  // One JSON array of the same lines, as `jq -s .` makes it.
  const text = await Deno.readTextFile(file);
  const prompts = loadLikeVllmBenchmark(`[${text.trimEnd().split("\n").join(",")}]`);
  assert.equal(prompts.length, requests.length);
  const hello = prompts.filter(({ prompt }) => prompt === "Hello");
  assert.deepEqual(hello, [{ prompt: "Hello", answer: "A plain answer." }]);
});
