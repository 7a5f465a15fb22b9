// Every fault that an instance can have, in every API and form of an answer: streamed and whole, with several
// choices, with logprobs. The client gets what an undisturbed instance says, once.

import assert from "node:assert/strict";
import { oneOf, waitFor } from "../support/wait.ts";
import { type Fleet, startFleet } from "./fleet.ts";

// deno-lint-ignore no-explicit-any -- bodies of four APIs
type Any = any;

const FAULTS = [
  ...[
    "reset",
    "close",
    "500",
    "503",
    "full",
    "full-event",
    "draining",
    "hang",
    "hang-headers-sent",
  ],
  ...["empty", "empty-done", "slow-head", "split", "drip"],
  ...["cut", "cut-reset", "cut-clean", "stall", "error-event", "abort", "malformed"]
    .flatMap((kind) => [`${kind}:0`, `${kind}:1`, `${kind}:4`]),
];

interface Form {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

const text = "tell me something long, please";
const chat = { messages: [{ role: "user", content: text }], max_tokens: 12 };
const plain = { prompt: text, max_tokens: 12 };
const figures = { stream: true, stream_options: { include_usage: true } };

const FORMS: Readonly<Record<string, Form>> = {
  "a chat stream": { path: "/v1/chat/completions", body: { ...chat, ...figures } },
  "a chat stream without figures": {
    path: "/v1/chat/completions",
    body: { ...chat, stream: true },
  },
  "a whole chat answer": { path: "/v1/chat/completions", body: chat },
  "a chat stream of two choices": {
    path: "/v1/chat/completions",
    body: { ...chat, ...figures, n: 2 },
  },
  "two whole chat answers": { path: "/v1/chat/completions", body: { ...chat, n: 2 } },
  "a chat stream with logprobs": {
    path: "/v1/chat/completions",
    body: { ...chat, ...figures, logprobs: true, top_logprobs: 2 },
  },
  "a chat stream with token ids": {
    path: "/v1/chat/completions",
    body: { ...chat, ...figures, return_token_ids: true },
  },
  "a stream of text": { path: "/v1/completions", body: { ...plain, ...figures } },
  "a whole text": { path: "/v1/completions", body: plain },
  "a stream of two texts": { path: "/v1/completions", body: { ...plain, ...figures, n: 2 } },
  "a stream of text with logprobs": {
    path: "/v1/completions",
    body: { ...plain, ...figures, logprobs: 1 },
  },
  "a streamed message": { path: "/v1/messages", body: { ...chat, stream: true } },
  "a whole message": { path: "/v1/messages", body: chat },
  "a streamed response": {
    path: "/v1/responses",
    body: { input: text, max_output_tokens: 12, stream: true },
  },
  "a whole response": { path: "/v1/responses", body: { input: text, max_output_tokens: 12 } },
};

/** What an answer says, without what differs between any two of them. */
async function said(response: Response): Promise<Any> {
  const body = await response.text();
  const isStream = response.headers.get("content-type")?.includes("event-stream") ?? false;
  if (!isStream) {
    if (response.status !== 200) return { status: response.status, body };
    const value = JSON.parse(body);
    const choices = (value.choices ?? []).map((choice: Any) => [
      choice.message?.content ?? choice.text,
      choice.finish_reason,
    ]);
    const content = (value.content ?? value.output ?? []).map((one: Any) =>
      one.text ?? one.content
    );
    return {
      choices,
      content: withoutIds(content),
      end: value.stop_reason ?? value.status,
      usage: value.usage,
    };
  }
  const heard: Any = { choices: {}, text: "", errors: [], dones: 0, types: [], ends: [] };
  const ids = new Set<string>();
  for (const block of body.split("\n\n")) {
    const data = block.split("\n").filter((line) => line.startsWith("data: "))
      .map((line) => line.slice(6)).join("\n");
    if (data === "") continue;
    if (data === "[DONE]") {
      heard.dones++;
      continue;
    }
    const event = JSON.parse(data);
    if (event.error || event.type === "error") heard.errors.push(data);
    const id = event.id ?? event.message?.id ?? event.response?.id;
    if (id) ids.add(id);
    for (const choice of event.choices ?? []) {
      const known = heard.choices[choice.index] ??= {
        text: "",
        ids: [],
        logprobs: 0,
        ends: [],
        roles: 0,
      };
      known.text += choice.delta?.content ?? choice.text ?? "";
      known.ids.push(...choice.token_ids ?? []);
      known.logprobs += choice.logprobs?.content?.length ?? choice.logprobs?.tokens?.length ?? 0;
      if (choice.delta?.role) known.roles++;
      if (choice.finish_reason) known.ends.push(choice.finish_reason);
    }
    if (event.type !== undefined && !event.type.endsWith("delta")) heard.types.push(event.type);
    heard.text += event.delta?.text ??
      (event.type === "response.output_text.delta" ? event.delta : "");
    if (event.type === "message_delta") heard.ends.push(event.delta.stop_reason);
    if (event.type === "response.completed" || event.type === "response.incomplete") {
      heard.ends.push(event.response.status, withoutIds(event.response.output));
    }
    const usage = event.usage ?? event.response?.usage;
    if (usage) heard.usage = usage;
  }
  return { ...heard, types: joinedBlocks(heard.types), ids: ids.size };
}

/** Reused tokens of a prompt differ by what was asked before. */
function withoutIds(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner) => key === "id" ? undefined : inner));
}

/** Without what depends on what was asked before: the part of a prompt that was cached. */
function comparable(heard: Any): Any {
  return JSON.parse(JSON.stringify(heard, (key, inner) => {
    if (key !== "usage" || !inner) return inner;
    const { input_tokens, cache_read_input_tokens = 0, prompt_tokens } = inner;
    const prompt = prompt_tokens ?? input_tokens + cache_read_input_tokens;
    return { prompt, completion: inner.completion_tokens ?? inner.output_tokens };
  }));
}

async function ask(url: string, { path, body }: Form): Promise<Any> {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "demo", temperature: 0, ...body }),
    signal: AbortSignal.timeout(60_000),
  });
  return comparable(await said(response));
}

/** In two blocks of text or in one: what stands between them says nothing. */
function joinedBlocks(types: readonly string[]): string[] {
  return types.filter((type, at) =>
    type !== "content_block_stop" &&
    !(type === "content_block_start" && types[at - 1] === "content_block_stop")
  );
}

/** Why an answer cannot be what it would have been; null where it has to be. */
function known(form: Form, fault: string): "late" | "unseen" | null {
  const [kind, chunks] = fault.split(":");
  // One that is made whole is not asked for twice: `timeouts.answer` says how long anybody may take.
  if (!("stream" in form.body) && (kind === "hang" || kind === "stall")) return "late";
  // vLLM ends it as any other, and nothing tells that it is half of one (docs/reliability.md).
  if (form.path === "/v1/responses" && kind === "abort" && chunks !== "0") return "unseen";
  return null;
}

function start(): Promise<Fleet> {
  return startFleet({
    each: (index) => ({ weight: index === 0 ? 1000 : 0.001 }),
    config: {
      timeouts: { connect: 2, first_byte: 0.5, idle: 0.5, answer: 1 },
      retry: { max_wait: 0.5 },
      error_threshold: 100_000,
      ejection_time: 0.1,
      max_ejection_time: 0.1,
      slow_start: 0,
      health_check: { interval: 0.1, path: "/health", timeout: 1 },
    },
  });
}

/** The instance that gets all requests it can serves again. */
async function ready(fleet: Fleet): Promise<void> {
  await fleet.simulators.reset(0);
  let state = "";
  await waitFor(async () => {
    state = (await fleet.health()).instances[0].state;
    // It is taken back by a request that it answers.
    if (state === "half_open") await (await fleet.chat()).body?.cancel();
    return state === "healthy";
  }, () => `sim-0, which is ${state}`);
}

for (const [what, form] of Object.entries(FORMS)) {
  Deno.test(`${what} is what it would have been, whatever befalls its instance`, async () => {
    await using fleet = await start();
    const expected = await ask(fleet.simulators.origins[1], form);
    const wrong: string[] = [];
    for (const fault of FAULTS) {
      let heard: Any;
      try {
        // Half a second without a turn is too long for the limits here, whatever the instance does.
        await oneOf(3, async () => {
          await ready(fleet);
          await fleet.simulators.fail(0, fault, { count: 1 });
          heard = await ask(fleet.gateway.url, form);
          const why = known(form, fault);
          if (why === null) assert.deepEqual(heard, expected);
          else if (why === "late") assert.equal(heard.status, 504);
          else assert.deepEqual(heard.errors ?? [], []);
        });
      } catch (error) {
        const asked = await fleet.counts();
        wrong.push(
          `${fault} (asked ${asked}): ${
            error instanceof assert.AssertionError ? JSON.stringify(heard).slice(0, 700) : error
          }`,
        );
      }
    }
    assert.equal(wrong.join("\n"), "", `expected ${JSON.stringify(expected)}`);
  });
}
