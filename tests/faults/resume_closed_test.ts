// A connection that breaks when the text of an answer is closed, and why it ended is not told: nothing is added
// to the text, and the client gets the rest of the events.

import assert from "node:assert/strict";
import { startGateway, startSimulators } from "../support/processes.ts";
import { readSse } from "../support/sse.ts";
import { startOddServer } from "./odd_server.ts";

const HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

const APIS = [
  {
    path: "/v1/messages",
    body: { messages: [{ role: "user", content: "tell me" }], max_tokens: 12 },
    closes: "content_block_stop",
    of: (event: Event) => event.delta?.text ?? "",
    usage: (event: Event) => event.usage,
  },
  {
    path: "/v1/responses",
    body: { input: "tell me", max_output_tokens: 12 },
    closes: "response.output_text.done",
    of: (event: Event) => event.type === "response.output_text.delta" ? event.delta : "",
    usage: (event: Event) => event.response?.usage,
  },
];
// deno-lint-ignore no-explicit-any -- events of two APIs
type Event = any;

for (const { path, body, closes, of, usage } of APIS) {
  for (const tokens of [12, 7]) {
    const why = tokens === 12 ? "its limit" : "its own end";
    Deno.test(`${path}: sampled text that was closed at ${why} stays as it is`, async () => {
      await using simulators = await startSimulators({
        count: 1,
        args: ["--tokens", String(tokens)],
      });
      const request = { model: "demo", stream: true, temperature: 1, ...body };
      const init = { method: "POST", headers: { "content-type": "application/json" } };
      const url = simulators.origins[0] + path;
      let text: string;
      // Of characters of several tokens it is not known how many were one.
      do text = await (await fetch(url, { ...init, body: JSON.stringify(request) })).text(); while (
        /[^\x20-\x7e\n]/.test(text)
      );
      const events = text.split(/(?<=\n\n)/);
      const whole = events.map((event) => JSON.parse(/^data: (.*)$/m.exec(event)![1]) as Event);
      const closed = whole.findLastIndex(({ type }) => type === closes);
      assert.ok(closed > 0 && closed < events.length - 1);
      let sent = 0;
      await using server = await startOddServer(async (call) => {
        if (call.path === path) {
          call.write(HEAD + events.slice(0, sent).map(chunked).join(""));
          setTimeout(() => call.reset(), 50);
          return;
        }
        const asked = call.text.split("\r\n\r\n")[1];
        const told = await fetch(simulators.origins[0] + call.path, { ...init, body: asked });
        const text = await told.text();
        const head = `HTTP/1.1 ${told.status} x\r\ncontent-type: application/json`;
        call.write(`${head}\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
      });
      await using gateway = await startGateway({
        config: { instances: [{ url: server.url, model_name: "demo" }], health_check: false },
      });
      for (sent = closed + 1; sent < events.length; sent++) {
        const answer = await readSse(await gateway.post(path, request));
        assert.equal(answer.error, null);
        assert.deepEqual(answer.json.map(({ type }) => type), whole.map(({ type }) => type));
        assert.equal(answer.json.map(of).join(""), whole.map(of).join(""));
        const last = (all: Event[]) => all.findLast((event) => usage(event));
        assert.deepEqual(usage(last(answer.json)), usage(last(whole)));
        assert.equal(last(answer.json).response?.status, last(whole).response?.status);
        assert.deepEqual(last(answer.json).delta, last(whole).delta);
      }
      const again = server.calls.filter((call) => call.path === "/v1/completions");
      assert.equal(again.length, 0, "nobody is asked for more");
    });
  }
}
