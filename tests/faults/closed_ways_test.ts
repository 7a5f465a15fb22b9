// A broken answer of which one instance can make nothing, though another can; and answers that neither end
// nor get on. By instances that send the very bytes that a test gives.

import assert from "node:assert/strict";
import { readSse } from "../support/sse.ts";
import { chatBody, exactRecordsOf, startGatewayFor } from "./fleet.ts";
import { chunk, type OddCall, startOddServer } from "./odd_server.ts";

const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const DONE = "data: [DONE]\n\n";
const WORDS = ["one ", "two ", "three ", "four ", "five."];
const answer = (words: readonly string[]) =>
  HEAD + words.map((content) => chunk({ content })).join("") + chunk({}, "stop") + DONE;
const begun = HEAD + WORDS.slice(0, 3).map((content) => chunk({ content })).join("");

const isForTheRest = (call: OddCall) => /"continue_final_message"|tokenize/.test(call.text);

function refuse(call: OddCall, status = 400): void {
  const body = '{"error":{"message":"unknown field","code":400}}';
  call.write(
    `HTTP/1.1 ${status} X\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n` +
      `connection: close\r\n\r\n${body}`,
  );
  call.end();
}

/** Knows nothing of continuing, and answers from the start. */
function fromTheStart(call: OddCall): void {
  if (isForTheRest(call)) return refuse(call);
  call.write(answer(WORDS));
  call.end();
}

/** The words of a stream that came whole. */
async function wordsOf(response: Response): Promise<string> {
  const { json, done } = await readSse(response);
  assert.ok(done && !json.some((event) => "error" in event), JSON.stringify(json.slice(-2)));
  return json.map((event) => event.choices?.[0]?.delta.content ?? "").join("");
}

function breaking(call: OddCall): void {
  if (call.number > 0) return refuse(call, 500);
  call.write(begun);
  setTimeout(() => call.reset(), 50);
}

const greedy = chatBody({ stream: true, temperature: 0 });

Deno.test("where one instance refuses every way to go on, another is asked", async () => {
  await using first = await startOddServer(breaking);
  await using refusing = await startOddServer((call) => refuse(call));
  await using able = await startOddServer(fromTheStart);
  await using gateway = await startGatewayFor([first.url], {
    fallback_instances: [refusing.url, able.url].map((url) => ({ url, model_name: "demo" })),
    retry: { max_wait: 0 },
  });
  const response = await gateway.post("/v1/chat/completions", greedy);
  assert.equal(await wordsOf(response), WORDS.join(""));
  assert.ok(refusing.calls.length > 0);
});

Deno.test("one that sends garbage in its answer is not asked for the rest while a fallback waits", async () => {
  await using odd = await startOddServer((call) => {
    call.write(begun + "data: {broken\n\n");
    call.end();
  });
  await using able = await startOddServer(fromTheStart);
  await using gateway = await startGatewayFor([odd.url], {
    fallback_instances: [{ url: able.url, model_name: "demo" }],
  });
  const response = await gateway.post("/v1/chat/completions", greedy);
  assert.equal(await wordsOf(response), WORDS.join(""));
  assert.equal(odd.calls.filter(({ path }) => path === "/v1/chat/completions").length, 1);
});

Deno.test("a second answer that is shorter than what the client has is not put behind it", async () => {
  await using first = await startOddServer(breaking);
  await using short = await startOddServer((call) => {
    call.write(answer(["one ", "two "]));
    call.end();
  });
  await using gateway = await startGatewayFor([first.url], {
    fallback_instances: [{ url: short.url, model_name: "demo" }],
    retry: { max_wait: 0 },
    resume: { patience: 0 },
  });
  const text = await (await gateway.post("/v1/chat/completions", greedy)).text();
  assert.equal(text.match(/"one "/g)?.length, 1, text);
  assert.ok(text.includes('"error"') && !text.includes("[DONE]"), text);
  await exactRecordsOf(gateway, 0, 1);
});

Deno.test("of so few characters that nothing tells a second beginning, the answer is begun again", async () => {
  await using first = await startOddServer((call) => {
    if (call.number > 0) return refuse(call, 500);
    call.write(HEAD + chunk({ content: "It " }));
    setTimeout(() => call.reset(), 50);
  });
  // It takes no notice of what it does not know.
  await using other = await startOddServer((call) => {
    call.write(answer(["It ", "is ", "so."]));
    call.end();
  });
  await using gateway = await startGatewayFor([first.url], {
    fallback_instances: [{ url: other.url, model_name: "demo" }],
    retry: { max_wait: 0 },
  });
  const response = await gateway.post("/v1/chat/completions", greedy);
  assert.equal(await wordsOf(response), "It is so.");
});

Deno.test("comments behind [DONE] do not keep an answer open, nor figures one that says nothing", async () => {
  let before = "";
  let again = "";
  await using endless = await startOddServer((call) => {
    call.write(HEAD + before);
    const timer = setInterval(() => {
      if (call.closed) clearInterval(timer);
      else call.write(again);
    }, 50);
  });
  await using able = await startOddServer(fromTheStart);
  await using gateway = await startGatewayFor([endless.url], {
    fallback_instances: [{ url: able.url, model_name: "demo" }],
    timeouts: { idle: 2, first_byte: 2 },
    retry: { max_wait: 0 },
  });
  before = answer(WORDS).slice(HEAD.length);
  again = ": still here\n\n";
  const first = await gateway.post("/v1/chat/completions", greedy);
  assert.equal(await wordsOf(first), WORDS.join(""));
  assert.equal(able.calls.length, 0);
  again = 'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":0}}\n\n';
  for (const begins of ["", begun.slice(HEAD.length)]) {
    before = begins;
    const response = await gateway.post("/v1/chat/completions", greedy);
    assert.equal(await wordsOf(response), WORDS.join(""));
  }
  assert.ok(able.calls.length >= 2);
});
