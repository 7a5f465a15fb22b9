// Every endpoint asked of a real vLLM and through the gateway: status, type and body are the same but
// for ids and times, or differ for a reason that stands here.

import type { GatewayProcess } from "../support/processes.ts";
import { CHAT_FIELDS, COMPLETION_FIELDS, MESSAGES_FIELDS, RESPONSES_FIELDS } from "./fields.ts";
import { joined } from "./joined.ts";
import type { Report } from "./report.ts";
import { MODEL, type Server } from "./server.ts";

type Case = readonly [method: string, path: string, body?: unknown];

const M = { model: MODEL };
const messages = [{ role: "user", content: "hi there" }];
const short = { temperature: 0, max_tokens: 8 };
const chat = (more: object): Case => [
  "POST",
  "/v1/chat/completions",
  { ...M, messages, ...short, ...more },
];
const complete = (more: object): Case => [
  "POST",
  "/v1/completions",
  { ...M, prompt: "abc", ...short, ...more },
];
const respond = (more: object): Case => [
  "POST",
  "/v1/responses",
  { ...M, input: "hi", max_output_tokens: 8, temperature: 0, ...more },
];
const message = (more: object): Case => [
  "POST",
  "/v1/messages",
  { ...M, messages, ...short, ...more },
];
const both = (ask: (more: object) => Case, fields: readonly object[]) =>
  fields.flatMap((one) => [ask(one), ask({ ...one, stream: true })]);
const tools = [{
  type: "function",
  function: { name: "f", parameters: { type: "object", properties: { a: { type: "string" } } } },
}];
const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };

const CASES: readonly Case[] = [
  chat({}),
  chat({ stream: true }),
  chat({ stream: "true" }),
  chat({ stream: 1, n: "2", temperature: 0 }),
  chat({ stream: true, stream_options: { include_usage: true } }),
  chat({ stream: true, stream_options: { include_usage: true, continuous_usage_stats: true } }),
  chat({ stream: true, logprobs: true, top_logprobs: 3 }),
  chat({ stream: true, return_token_ids: true }),
  chat({ stream: true, stream_interval: 4 }),
  chat({ stream: true, messages: [{ role: "user", content: "写一个故事" }], max_tokens: 40 }),
  chat({ logprobs: true, prompt_logprobs: 1 }),
  chat({ return_token_ids: true }),
  chat({ echo: true }),
  chat({ n: 2, temperature: 0.7, seed: 3 }),
  chat({ min_tokens: 4, stop: ["zzz"], ignore_eos: true, cache_salt: "abc" }),
  chat({ priority: 5 }),
  chat({ chat_template_kwargs: { enable_thinking: false } }),
  chat({ tools, tool_choice: "required", max_tokens: 60 }),
  chat({ tools }),
  chat({
    max_tokens: 60,
    response_format: { type: "json_schema", json_schema: { name: "x", schema } },
  }),
  chat({
    messages: [...messages, { role: "assistant", content: "Hello" }],
    continue_final_message: true,
    add_generation_prompt: false,
  }),
  chat({ messages: [] }),
  chat({ messages: "no" }),
  chat({ max_tokens: 99_999 }),
  chat({ messages: [{ role: "user", content: "x ".repeat(9000) }] }),
  chat({ temperature: "hot" }),
  chat({ model: "nope" }),
  ...both(chat, CHAT_FIELDS),
  ["POST", "/v1/chat/completions/", { ...M, messages, ...short }],
  ["POST", "/v1/chat/completions", "{bad json"],
  ["POST", "/v1/chat/completions/batch", { ...M, messages: [messages, messages], ...short }],
  complete({}),
  complete({ stream: true }),
  complete({ stream: true, return_token_ids: true, stream_options: { include_usage: true } }),
  complete({ max_tokens: undefined }),
  complete({ prompt: ["abc", "def"] }),
  complete({ prompt: [5, 6, 7], echo: true, logprobs: 2 }),
  complete({ suffix: "x" }),
  ...both(complete, COMPLETION_FIELDS),
  ...both(respond, [{}, ...RESPONSES_FIELDS]),
  ["GET", "/v1/responses/resp_nope"],
  ["POST", "/v1/responses/resp_nope/cancel"],
  ...both(message, [{}, ...MESSAGES_FIELDS]),
  ["POST", "/v1/messages/count_tokens", { ...M, messages }],
  ["POST", "/v1/messages", { ...M, messages }],
  ["POST", "/v1/messages", { model: "nope", messages, max_tokens: 5 }],
  ["POST", "/tokenize", { ...M, prompt: "hello" }],
  ["POST", "/tokenize", { ...M, messages, return_token_strs: true }],
  ["POST", "/detokenize", { ...M, tokens: [5, 6] }],
  ["POST", "/v1/embeddings", { ...M, input: "x" }],
  ["POST", "/pooling", { ...M, input: "x" }],
  ["POST", "/score", { ...M, text_1: "a", text_2: "b" }],
  ["POST", "/v1/rerank", { ...M, query: "a", documents: ["b"] }],
  ["POST", "/generative_scoring", { ...M, query: "a", items: ["b"], label_token_ids: [5, 6] }],
  ["POST", "/v1/audio/transcriptions", { ...M }],
  ["GET", "/v1/models"],
  ["GET", `/v1/models/${MODEL}`],
  ["GET", "/health"],
  ["GET", "/version"],
  ["GET", "/ping"],
  ["GET", "/load"],
  ["GET", "/metrics"],
  ["POST", "/invocations", { ...M, messages, ...short }],
  ["OPTIONS", "/v1/chat/completions"],
  ["GET", "/openapi.json"],
  ["HEAD", "/v1/models"],
];

/** What the gateway answers in its own way, and why. */
const OWN: readonly [where: RegExp, why: string][] = [
  [/^GET \/(health|metrics)/, "its own health and metrics"],
  [/^GET \/(version|ping|load|openapi\.json)/, "paths of an instance, not of a fleet"],
  [/^POST \/invocations/, "a way round vLLM's keys"],
  [/^(GET \/v1\/models|HEAD \/v1\/models)/, "the models of the fleet, one by one too"],
  [/\{bad json|"messages":"no"/, "its own words for a body that it cannot read"],
  [/"model":"nope"/, "its own words for a model that it does not have"],
  [/^OPTIONS /, "its own answer to preflights"],
];

/** Each instance may have other paths: one that none has is told in the gateway's words, and as vLLM's errors. */
const NO_PATH = '404 application/json {"detail":"Not Found"}';

/** Where vLLM is late, the last event may have the whole answer, and the order of several answers varies. */
const ASKED_AGAIN = 5;

const EVENTS = " text/event-stream; charset=utf-8 ";

/** Compares every case; what differs without a reason does not hold. */
export async function parity(
  gateway: GatewayProcess,
  servers: readonly Server[],
  report: Report,
): Promise<void> {
  const [server] = servers;
  // With the first request of its kind vLLM loads what it takes, and is late.
  for (const [method, path, body] of CASES) {
    for (const { origin } of servers) await ask(origin, method, path, body);
  }
  let same = 0;
  let own = 0;
  for (const [method, path, body] of CASES) {
    const direct = await ask(server.origin, method, path, body);
    const through = await ask(gateway.url, method, path, body);
    if (direct === through) {
      same++;
      continue;
    }
    const name = `${method} ${path} ${JSON.stringify(body ?? "")}`;
    if (await comes(through, () => ask(server.origin, method, path, body))) {
      same++;
      continue;
    }
    const isMissing = direct === NO_PATH && through.startsWith('404 application/json {"error":');
    if (isMissing || OWN.some(([where]) => where.test(name))) own++;
    else {
      const from = Math.max(0, firstDifference(direct, through) - 60);
      const shown = (text: string) => JSON.stringify(text.slice(from, from + 240));
      report.failures.push(
        `parity: ${name.slice(0, 160)}\n    direct  ${shown(direct)}\n    through ${
          shown(through)
        }`,
      );
    }
  }
  report.notes.push(
    `parity: ${same} of ${CASES.length} requests the same, ${own} the gateway's own on purpose`,
  );
}

/** Whether asking again brings this stream, but for where its events were cut. */
async function comes(answer: string, again: () => Promise<string>): Promise<boolean> {
  const stream = asOneStream(answer);
  if (stream === null) return false;
  for (let time = 0; time < ASKED_AGAIN; time++) {
    if (asOneStream(await again()) === stream) return true;
  }
  return false;
}

/** A streamed answer without where its events were cut; null for another. */
function asOneStream(answer: string): string | null {
  const begin = answer.indexOf(EVENTS);
  if (begin < 0) return null;
  const stream = begin + EVENTS.length;
  return answer.slice(0, stream) + joined(answer.slice(stream));
}

function firstDifference(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  return at;
}

async function ask(origin: string, method: string, path: string, body: unknown): Promise<string> {
  const response = await fetch(origin + path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = (await response.text()).replaceAll(new URL(origin).host, "HOST");
  return `${response.status} ${response.headers.get("content-type")} ${timeless(text)}`;
}

/** A text without what differs from one answer to the next. */
function timeless(text: string): string {
  return text
    .replace(
      /(chatcmpl|cmpl|generative-scoring|resp|msg|chatcmpl-tool|call|rs|fc|modelperm)[-_][0-9a-z-]+/g,
      "$1-ID",
    )
    .replace(/"(created|created_at|completed_at)":\s*[\d.]+/g, '"$1":"T"')
    .replace(/"id":"[0-9a-f]{16,}[^"]*"/g, '"id":"ID"')
    .replace(/"(request_id|item_id|signature)":"[^"]*"/g, '"$1":"ID"')
    .replace(/"(cached_tokens|cache_read_input_tokens)":\d+/g, '"$1":"N"');
}
