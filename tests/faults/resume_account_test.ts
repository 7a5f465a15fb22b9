// What is booked of an answer that broke off and went on: log, metrics and record say what the client was
// told, and the client is kept company while the stream waits for its next instance.

import assert from "node:assert/strict";
import { readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { chatBody, startFleet } from "./fleet.ts";

const streamed = (more: Record<string, unknown> = {}) =>
  chatBody({
    stream: true,
    stream_options: { include_usage: true },
    messages: [{ role: "user", content: "tell me something long, please" }],
    max_tokens: 40,
    ...more,
  });

/** Tokens of the whole gateway by direction, as /metrics has them. */
async function metricTokens(url: string): Promise<{ prompt: number; completion: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const sum = (kind: string) =>
    [...text.matchAll(/^gateway_tokens_total\{([^}]*)\} (-?[\d.]+)$/gm)]
      .filter(([, labels]) => labels.includes(`"${kind}"`))
      .reduce((total, [, , value]) => total + Number(value), 0);
  return { prompt: sum("prompt"), completion: sum("completion") };
}

for (const resume of ["continue", "exact", "replay"] as const) {
  for (const fault of ["cut:10", "abort:7", "error-event:4"]) {
    Deno.test(`${resume}, ${fault}: log, metrics and record say the usage that the client was told`, async () => {
      await using fleet = await startFleet({
        config: { resume: resume === "replay" ? "continue" : resume },
      });
      const { gateway, simulators } = fleet;
      await simulators.fail(0, fault, { count: 1 });
      // A schema can only be replayed.
      const format = { response_format: { type: "json_object" } };
      const body = streamed(resume === "replay" ? format : {});
      const answers = [
        await readSse(await gateway.post("/v1/chat/completions", body)),
        await readSse(await gateway.post("/v1/chat/completions", body)),
      ];
      const usages = answers.map(({ json }) => json.findLast((chunk) => chunk.usage)!.usage);
      for (const field of ["prompt_tokens", "completion_tokens", "total_tokens"]) {
        assert.equal(usages[0][field], usages[1][field], `${field} with and without a break`);
      }
      const told = { prompt: 0, completion: 0 };
      for (const usage of usages) {
        told.prompt += usage.prompt_tokens;
        told.completion += usage.completion_tokens;
      }
      const { complete } = await fleet.records(2, 0);
      assert.equal(complete.filter(({ meta }) => "resumed" in meta).length, 1, "one was resumed");
      for (const { meta } of complete) {
        const { prompt_tokens, completion_tokens } = meta.usage as Record<string, number>;
        assert.deepEqual(
          { prompt_tokens, completion_tokens },
          {
            prompt_tokens: usages[0].prompt_tokens,
            completion_tokens: usages[0].completion_tokens,
          },
        );
      }
      let counted = { prompt: 0, completion: 0 };
      await waitFor(async () => {
        counted = await metricTokens(gateway.url);
        return counted.completion >= told.completion;
      }, () => `${JSON.stringify(told)} in the metrics, not ${JSON.stringify(counted)}`);
      assert.deepEqual(counted, told);
      const lines = () => [...gateway.output().matchAll(/ tokens=(-?\d+)\+(-?\d+)/g)];
      await waitFor(() => lines().length === 2, "two lines in the log");
      for (const [, prompt, completion] of lines()) {
        assert.equal(Number(prompt), usages[0].prompt_tokens);
        assert.equal(Number(completion), usages[0].completion_tokens);
      }
    });
  }
}

Deno.test("a client is kept company while a broken stream waits for its next instance", async () => {
  await using fleet = await startFleet({
    simulate: ["--ttft", "2"],
    config: { keepalive: 0.2, resume: "continue" },
  });
  const { gateway, simulators } = fleet;
  await simulators.fail(0, "cut:10", { count: 1 });
  const response = await gateway.post("/v1/chat/completions", streamed());
  const text = await response.text();
  const begun = text.slice(text.indexOf('"content":"'));
  const [before, ...after] = begun.split(": keepalive\n\n");
  assert.ok(after.length >= 3, `comments in two seconds of silence: ${after.length}`);
  assert.ok(before.endsWith("\n\n"), "comments stand between whole events");
  assert.ok(text.trimEnd().endsWith("data: [DONE]"));
});
