// Whole answers in unusual forms are whole: nobody else is asked for them, nothing is added, the instance
// has done well, and the record may be trained on. What is cut in such a form is not whole.

import assert from "node:assert/strict";
import { readSse } from "../support/sse.ts";
import { chatBody, exactRecordsOf, healthOf, settled, startGatewayFor } from "./fleet.ts";
import { type OddCall, type OddServer, startOddServer } from "./odd_server.ts";

const HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const DONE = "data: [DONE]\n\n";

const json = (delta: object, finish: unknown = null, more: object = {}) =>
  JSON.stringify({ id: "c", choices: [{ index: 0, delta, finish_reason: finish }], ...more });
const event = (...args: Parameters<typeof json>) => `data: ${json(...args)}\n\n`;

const words = ["It", " is", " 42."].map((content) => event({ content }));
const stop = event({}, "stop");
const whole = [event({ role: "assistant", content: "" }), ...words, stop];

/** Each event with `line` in front of its data. */
const headed = (line: string) => whole.map((event) => `${line}\n${event}`).join("") + DONE;

/** The names of forms and the bytes of an answer in them. */
const FORMS: Record<string, string> = {
  "comments glued to the events": headed(": ping"),
  "a comment glued to the finish": whole.slice(0, -1).join("") + `: ping\n${stop}${DONE}`,
  "an event field": headed("event: message"),
  "an event field of the server's own": headed("event: chat.completion.chunk"),
  "an empty event field": headed("event:"),
  "ids and retry times": headed("id: 7\nretry: 100"),
  "fields behind the data": whole.map((event) => event.replace(/\n$/, "id: 7\n\n")).join("") + DONE,
  "carriage returns": (whole.join("") + DONE).replaceAll("\n", "\r"),
  "carriage returns and line feeds": (whole.join("") + DONE).replaceAll("\n", "\r\n"),
  "mixed line ends": whole.join("").replace("\n\n", "\r\r").replace("\n\n", "\r\n\n") + DONE,
  "a byte order mark": `\xef\xbb\xbf${whole.join("")}${DONE}`,
  "data without a space": (whole.join("") + DONE).replaceAll("data: ", "data:"),
  "several data lines": whole.map((event) => event.replace(",", ",\ndata: ")).join("") + DONE,
  "data: null between chunks": whole.join("data: null\n\n") + DONE,
  "an event of its own between chunks": whole.join("event: note\ndata: 50 %\n\n") + DONE,
  "[DONE] without its blank line": whole.join("") + "data: [DONE]",
  "[DONE] with one line end": whole.join("") + "data: [DONE]\n",
  "[DONE] with blanks": whole.join("") + "data:[DONE]  \n\n",
  "a finish without its blank line": whole.join("").trimEnd(),
  "a line end too many": whole.join("") + DONE + "\n",
  "garbage behind the finish": whole.join("") + "data: garbage\n\n",
  "falsy errors": ["null", '""', "false", "{}"].reduce(
    (all, error, at) => all.replace('{"id":"c"', `{"error":${error},"id":"c${at}"`),
    whole.join(""),
  ) + DONE,
};

function answering(body: string, end: (call: OddCall) => void): (call: OddCall) => void {
  return (call) => {
    const bytes = body.replace(/[^\0-\xff]/g, "");
    call.write(`${HEAD}${bytes.length.toString(16)}\r\n${bytes}\r\n`);
    end(call);
  };
}

async function stand(answer: () => (call: OddCall) => void) {
  const servers: OddServer[] = [];
  for (let i = 0; i < 2; i++) servers.push(await startOddServer((call) => answer()(call)));
  const gateway = await startGatewayFor(servers.map((server) => server.url));
  return {
    gateway,
    asked: () => servers.reduce((sum, server) => sum + server.calls.length, 0),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a whole answer in any form is asked for once, and recorded as it is", async () => {
  let answer = answering("", () => {});
  await using s = await stand(() => answer);
  let count = 0;
  for (const [form, body] of Object.entries(FORMS)) {
    answer = answering(body, (call) => call.write("0\r\n\r\n"));
    const response = await s.gateway.post("/v1/chat/completions", chatBody({ stream: true }));
    assert.equal(response.status, 200, form);
    const text = await response.text();
    assert.ok(!text.includes("broke off"), `${form}: ${text}`);
    assert.equal(s.asked(), ++count, form);
  }
  const { complete } = await exactRecordsOf(s.gateway, count, 0);
  for (const line of complete) assert.equal(line.conversations.at(-1)!.value, "It is 42.");
  await settled(s.gateway);
  for (const instance of (await healthOf(s.gateway)).instances) {
    assert.deepEqual([instance.state, instance.recent_errors], ["healthy", 0]);
  }
});

Deno.test("a finish reason without a word does not make half an answer whole", async () => {
  let answer = answering("", () => {});
  await using s = await stand(() => answer);
  for (const reason of ["", "null"]) {
    const half = event({ role: "assistant", content: "It" }, reason) +
      event({ content: " is" }, reason);
    const endings: [string, (call: OddCall) => void][] = [
      [half, (call) => call.reset()],
      [half, (call) => call.write("0\r\n\r\n")],
      [half + DONE, (call) => call.write("0\r\n\r\n")],
    ];
    for (const [body, end] of endings) {
      answer = answering(body, end);
      const request = chatBody({ stream: true, logprobs: true });
      const seen = await readSse(await s.gateway.post("/v1/chat/completions", request));
      assert.ok("error" in seen.json.at(-1) && !seen.done, JSON.stringify(seen));
    }
  }
  const { incomplete } = await exactRecordsOf(s.gateway, 0, 6);
  assert.equal(incomplete.length, 6);
});

Deno.test("a stream of an API that is not understood does not end cleanly when it breaks", async () => {
  const delta =
    'event: transcript.text.delta\ndata: {"type":"transcript.text.delta","delta":"a"}\n\n';
  let answer = answering(delta, (call) => call.reset());
  await using s = await stand(() => answer);
  const ask = async () => {
    const response = await s.gateway.post("/v1/audio/speech", { model: "demo", input: "x" });
    return await response.text();
  };
  assert.match(await ask().catch((error) => `"error" ${error}`), /"error"/);
  answer = answering(delta, (call) => call.write("0\r\n\r\n"));
  assert.equal(await ask(), delta);
});
