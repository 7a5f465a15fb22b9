// A thousand requests at once: every answer right, every record whole, nothing left in flight.

import assert from "node:assert/strict";
import { startGateway, startSimulators } from "../support/processes.ts";
import { chatText, readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";

const REQUESTS = 1000;

const ask = (index: number, stream: boolean) => ({
  model: "demo",
  stream,
  messages: [{ role: "user", content: `question number ${index}` }],
  max_tokens: 24,
});

async function textOf(response: Response, stream: boolean): Promise<string> {
  if (!stream) return (await response.json()).choices[0].message.content;
  const answer = await readSse(response);
  assert.equal(answer.error, null);
  assert.ok(answer.done);
  return chatText(answer).content;
}

async function recordLines(dataDir: string): Promise<string[]> {
  const lines: string[] = [];
  try {
    for await (const entry of Deno.readDir(`${dataDir}/requests_responses`)) {
      const text = await Deno.readTextFile(`${dataDir}/requests_responses/${entry.name}`);
      // A line that is just being written has no newline yet.
      lines.push(...text.split("\n").slice(0, -1));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return lines;
}

Deno.test("1,000 parallel requests, half of them streamed, are all answered, recorded and released", async () => {
  await using simulators = await startSimulators({ count: 3 });
  await using gateway = await startGateway({
    config: { instances: simulators.urls.map((url) => ({ url, model_name: "demo" })) },
  });
  const answers = await Promise.all(
    Array.from({ length: REQUESTS }, async (_, index) => {
      const stream = index % 2 === 0;
      const response = await gateway.post("/v1/chat/completions", ask(index, stream));
      assert.equal(response.status, 200);
      return await textOf(response, stream);
    }),
  );

  // What an instance answers is a function of the prompt: ask some of them directly.
  for (let index = 0; index < REQUESTS; index += 50) {
    const direct = await fetch(`${simulators.urls[0]}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(ask(index, false)),
    });
    assert.equal(answers[index], await textOf(direct, false), `answer ${index}`);
  }

  await waitFor(
    async () => (await recordLines(gateway.dataDir)).length === REQUESTS,
    "a record of each answer",
  );
  const recorded = new Map<string, string>();
  for (const line of await recordLines(gateway.dataDir)) {
    const { conversations } = JSON.parse(line);
    recorded.set(conversations[0].value, conversations[1].value);
  }
  assert.equal(recorded.size, REQUESTS);
  answers.forEach((answer, index) => {
    assert.equal(recorded.get(`question number ${index}`), answer, `record ${index}`);
  });

  const health = await (await fetch(`${gateway.url}/health`)).json();
  assert.deepEqual(
    health.instances.map((instance: { in_flight: number }) => instance.in_flight),
    [0, 0, 0],
  );
  const asked = await Promise.all(simulators.urls.map((_, index) => simulators.requests(index)));
  assert.ok(asked.every((requests) => requests.length > 0), "every instance had its share");
});
