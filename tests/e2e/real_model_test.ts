// A real language model behind the gateway: what the client saw is what stands in the records.

import assert from "node:assert/strict";
import { unsupported } from "../real/engine.ts";
import { startRealModel } from "../real/start.ts";
import { startGateway } from "../support/processes.ts";
import { recordsOf } from "../support/records.ts";
import { eventsOf } from "../support/sse.ts";

const reason = unsupported();

Deno.test({
  name: "a real model's streamed answers stand in the records as the client saw them" +
    (reason === null ? "" : `: ${reason}`),
  // Without its engine there is no real model; the name says why.
  ignore: reason !== null,
  fn: async () => {
    await using real = await startRealModel();
    await using gateway = await startGateway({
      config: {
        instances: [{ url: `${real.url}/v1`, model_name: "licence", upstream_model: real.model }],
      },
    });
    const seen: string[] = [];
    for (const question of ["What may I do?", "Is there a warranty?", "Who owns the copyright?"]) {
      for (const stream of [true, false]) {
        const response = await gateway.post("/v1/chat/completions", {
          model: "licence",
          messages: [{ role: "user", content: question }],
          temperature: 0.7,
          seed: 11,
          max_tokens: 120,
          stream,
        });
        const text = await response.text();
        assert.equal(response.status, 200, text);
        if (!stream) {
          seen.push(JSON.parse(text).choices[0].message.content);
          continue;
        }
        const events = eventsOf(text);
        assert.equal(events.pop(), "[DONE]");
        seen.push(events.map((data) => JSON.parse(data).choices[0].delta.content ?? "").join(""));
      }
    }
    // The same seed gives the same answer, streamed or not.
    for (let index = 0; index < seen.length; index += 2) assert.equal(seen[index], seen[index + 1]);

    const lines = await recordsOf(gateway, seen.length);
    assert.deepEqual(
      lines.map((line) => line.conversations.at(-1)),
      seen.map((value) => ({ from: "gpt", value })),
    );
    assert.ok(lines.every((line) => line.conversations[0].from === "human"));
  },
});
