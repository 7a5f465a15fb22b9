// A real language model is killed in the middle of its answer: what the client reads in the end is what
// it would have read from an instance that lived.

import assert from "node:assert/strict";
import { startGateway } from "../support/processes.ts";
import { chatText, sseEvents } from "../support/sse.ts";
import { unsupported } from "../real/engine.ts";
import { startRealModel } from "../real/start.ts";
import { exactRecordsOf, settled } from "./fleet.ts";

const reason = unsupported();
const question = "Who owns the copyright?";

interface Case {
  name: string;
  path: string;
  body: Record<string, unknown>;
}

const cases: Case[] = [
  {
    name: "chat answer",
    path: "/v1/chat/completions",
    body: { messages: [{ role: "user", content: question }] },
  },
  {
    name: "text completion",
    path: "/v1/completions",
    body: { prompt: "Subject to the terms and conditions of this License, each Contributor" },
  },
];

for (const { name, path, body } of cases) {
  Deno.test({
    name: `a real model killed in the middle of a ${name} leaves the whole answer to the client` +
      (reason === null ? "" : `: ${reason}`),
    // Without its engine there is no real model; the name says why.
    ignore: reason !== null,
    fn: async () => {
      await using first = await startRealModel({ paceMs: 15 });
      await using second = await startRealModel();
      const request = {
        model: "tiny",
        stream: true,
        temperature: 0,
        max_tokens: 90,

        ...body,
      };
      const headers = { "content-type": "application/json" };
      const undisturbed = await read(
        await fetch(second.url + path, { method: "POST", headers, body: JSON.stringify(request) }),
      );

      assert.ok(undisturbed.pieces > 40, `an answer of ${undisturbed.pieces} pieces`);

      await using gateway = await startGateway({
        config: {
          instances: [first, second].map(({ url }, index) => ({
            url: `${url}/v1`,
            name: `real-${index}`,
            model_name: "tiny",
            // The first instance gets the first request.
            weight: index === 0 ? 10 : 1,
          })),
          health_check: false,
        },
      });
      const response = await gateway.post(path, request);
      assert.equal(response.headers.get("x-gateway-instance"), "real-0");
      const answer = await read(response, (pieces) => {
        if (pieces === 20) Deno.kill(first.pid, "SIGKILL");
      });
      assert.deepEqual(answer, undisturbed);

      await settled(gateway);
      const { complete: [record] } = await exactRecordsOf(gateway, 1, 0);
      assert.equal(record.conversations.at(-1)?.value, undisturbed.text);
      const [resumed, ...more] = record.meta.resumed as Record<string, unknown>[];
      assert.deepEqual(more, []);
      assert.equal(resumed.from, "real-0");
      assert.equal(resumed.to, "real-1");
      assert.equal(resumed.way, "exact");
      assert.ok(Number(resumed.atChars) > 0 && Number(resumed.atChars) < undisturbed.text.length);
    },
  });
}

interface Read {
  text: string;
  finish: string | null;
  done: boolean;
  /** Events with text. */
  pieces: number;
}

/** Reads a stream to its end; `onPiece` learns of each event with text as it comes. */
async function read(
  response: Response,
  onPiece: (pieces: number) => void = () => {},
): Promise<Read> {
  assert.equal(response.status, 200);
  const answer = { status: 200, events: [], error: null, done: false, json: [] as unknown[] };
  let pieces = 0;
  for await (const { data } of sseEvents(response)) {
    if (data === "[DONE]") {
      answer.done = true;
      continue;
    }
    const chunk = JSON.parse(data);
    answer.json.push(chunk);
    const [choice] = chunk.choices;
    if (choice?.delta?.content || choice?.text) onPiece(++pieces);
  }
  const { content, finishReason } = chatText(answer);
  return { text: content, finish: finishReason, done: answer.done, pieces };
}
