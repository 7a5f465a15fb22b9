// An error that the gateway words itself has the shape of the API that was asked.

import assert from "node:assert/strict";
import { chatBody, startFleet } from "./fleet.ts";

const asked: [string, string | undefined, string][] = [
  ["/v1/messages", "error", "overloaded_error"],
  ["/v1/messages/count_tokens", "error", "overloaded_error"],
  ["/v1/chat/completions", undefined, "ServiceUnavailableError"],
];

Deno.test("where no instance can answer, clients of each API read why in its own shape", async () => {
  await using fleet = await startFleet({ count: 1, config: { retry: { max_wait: 0 } } });
  for (const [path, outer, type] of asked) {
    await fleet.simulators.fail(0, "503");
    const response = await fleet.gateway.post(path, chatBody({ max_tokens: 5 }));
    assert.equal(response.status, 503, path);
    const body = await response.json();
    assert.equal(body.type, outer, path);
    assert.equal(body.error.type, type, path);
    assert.match(body.error.message, /answered 503/);
  }
});
