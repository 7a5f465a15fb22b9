// compatcanary, a scanner of OpenAI-compatible endpoints, must find the same behind the gateway as
// direct, whatever it thinks of the endpoint itself.

import assert from "node:assert/strict";
import { LLMock } from "npm:@copilotkit/aimock@1.43.0";
import { scanEndpoint } from "npm:compatcanary@0.2.2";
import { startGateway } from "../support/processes.ts";

interface Report {
  score: number;
  compatible: boolean;
  results: {
    id: string;
    status: string;
    summary: string;
    evidence?: unknown;
    error?: { httpStatus?: number };
  }[];
}

async function scan(baseUrl: string): Promise<unknown> {
  const report = await scanEndpoint({ baseUrl, model: "gpt-4", timeoutMs: 10_000 }) as Report;
  assert.ok(report.results.some((result) => result.status === "pass"), JSON.stringify(report));
  return {
    score: report.score,
    compatible: report.compatible,
    results: report.results.map(({ id, status, summary, evidence, error }) => ({
      id,
      status,
      // The gateway lists the configured models, the instance all that it knows.
      summary: id === "models.list" ? "" : summary,
      evidence: id === "models.list" ? "" : evidence,
      httpStatus: error?.httpStatus,
    })),
  };
}

Deno.test("compatcanary reports the same through the gateway as direct: aimock", async () => {
  const mock = new LLMock({ port: 0 });
  mock.addFixtures([
    {
      match: { toolName: "compatcanary_echo" },
      response: { toolCalls: [{ name: "compatcanary_echo", arguments: '{"value":"CANARY_OK"}' }] },
    },
    { match: { userMessage: "compatibility status" }, response: { content: '{"status":"ok"}' } },
    { match: { userMessage: "CANARY_OK" }, response: { content: "CANARY_OK" } },
  ]);
  await mock.start();
  try {
    await using gateway = await startGateway({
      config: {
        instances: [{ url: `${mock.url}/v1`, model_name: "gpt-4" }],
      },
    });
    assert.deepEqual(await scan(`${gateway.url}/v1`), await scan(`${mock.url}/v1`));
  } finally {
    await mock.stop();
  }
});
