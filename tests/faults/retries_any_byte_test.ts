// An answer that breaks off at any byte: in its head, in its framing, in the middle of a character or
// of an event. The client sees the whole answer all the same, once.

import assert from "node:assert/strict";
import { startFaultProxy } from "../support/fault_proxy.ts";
import { startSimulators } from "../support/processes.ts";
import { chatText, readSse } from "../support/sse.ts";
import { chatBody, contentOf, exactRecordsOf, settled, startGatewayFor } from "./fleet.ts";

/** Two instances that answer alike, nearly every request meeting the proxy in front of the first. */
async function stand(timeouts: Record<string, number>) {
  const simulators = await startSimulators({ count: 2 });
  const proxy = await startFaultProxy({ port: simulators.ports[0] });
  const gateway = await startGatewayFor([], {
    instances: [
      { url: proxy.url, model_name: "demo", name: "cut", weight: 1000, timeouts },
      { url: simulators.urls[1], model_name: "demo", name: "whole", weight: 1 },
    ],
  });
  return {
    simulators,
    proxy,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await simulators[Symbol.asyncDispose]();
    },
  };
}

/** Places to cut the answer at on the wire, and where its body begins. */
async function places(
  port: number,
  body: string,
  count: number,
): Promise<{ all: number[]; bodyAt: number }> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(
    new TextEncoder().encode(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n" +
        `connection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    ),
  );
  const answer = new Uint8Array(await new Response(connection.readable).arrayBuffer());
  const step = answer.length / count;
  const bodyAt = new TextDecoder("latin1").decode(answer).indexOf("\r\n\r\n") + 4;
  return { all: Array.from({ length: count }, (_, at) => Math.floor(at * step)), bodyAt };
}

for (const how of ["reset", "close", "half-close", "black-hole"] as const) {
  for (const stream of [false, true]) {
    const kind = stream ? "streamed" : "whole";
    Deno.test(`${how} at any byte, ${kind}: the client gets the whole answer, once`, async () => {
      const limits = how === "black-hole" ? { first_byte: 0.15, idle: 0.15 } : {};
      await using s = await stand(limits as Record<string, number>);
      const body = chatBody({ stream, temperature: 0 });
      const { all, bodyAt } = await places(s.simulators.ports[1], JSON.stringify(body), 25);
      // Without a byte nothing tells a whole answer that is still made from one that never comes; fetch
      // tells of the head as a whole.
      const from = Deno.env.get("TEST_TRANSPORT") === "fetch" ? bodyAt : 1;
      const cuts = how === "black-hole" && !stream ? all.filter((at) => at >= from) : all;
      const ask = async () => {
        const response = await s.gateway.post("/v1/chat/completions", body);
        if (!stream) return await contentOf(response);
        const answer = await readSse(response);
        assert.equal(answer.error, null);
        assert.ok(answer.done, JSON.stringify(answer.json.at(-1)));
        const choices = answer.json.flatMap(({ choices }) => choices);
        assert.equal(choices.filter(({ delta }) => delta?.role).length, 1, "one role");
        assert.equal(choices.filter(({ finish_reason }) => finish_reason).length, 1, "one finish");
        return chatText(answer).content;
      };
      const expected = await ask();
      s.proxy.resetAll();
      const before = s.proxy.accepted();
      for (const cutAtByte of cuts) {
        Object.assign(s.proxy.faults, { cutAtByte, cutHow: how });
        assert.equal(await ask(), expected, `cut at byte ${cutAtByte}`);
      }
      assert.ok(s.proxy.accepted() - before >= cuts.length - 2, "the cuts were met");
      await exactRecordsOf(s.gateway, cuts.length + 1, 0);
      await settled(s.gateway);
    });
  }
}
