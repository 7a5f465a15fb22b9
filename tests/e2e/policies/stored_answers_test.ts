// Answers that instances keep, fetched in every way that there is: policies on answers look at each, or it is refused.

import assert from "node:assert/strict";
import http from "node:http";
import { startFleet } from "../../faults/fleet.ts";
import { waitFor } from "../../support/wait.ts";

const SAID = "The weather is fine. The password is hunter2, and nothing more was said.";

/** `body` with a GET, which fetch does not send. */
function get(url: string, body: string | null): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === null ? {} : { "content-length": String(body.length) };
    const request = http.request(url, { method: "GET", headers }, (message) => {
      let text = "";
      message.on("data", (data) => text += data);
      message.on("end", () => resolve({ status: message.statusCode!, text }));
    });
    request.on("error", reject);
    request.end(body ?? undefined);
  });
}

Deno.test("a kept answer passes policies however it is fetched, or is not given", async () => {
  await using fleet = await startFleet({
    count: 1,
    simulate: ["--answer", SAID],
    config: {
      policies: [{
        name: "words",
        type: "words",
        words: ["password is hunter2"],
        on: "answer",
        action: "mask",
      }],
    },
  });
  const { gateway } = fleet;
  const asked = await gateway.post("/v1/responses", {
    model: "demo",
    input: "hi",
    background: true,
  });
  const { id } = await asked.json();
  const url = `${gateway.url}/v1/responses/${id}`;
  await waitFor(async () => (await get(url, null)).text.includes('"completed"'), "the answer");
  const whole = await get(url, null);
  assert.equal(whole.status, 200);
  assert.match(whole.text, /The weather is fine/);
  assert.doesNotMatch(whole.text, /hunter2/);
  for (
    const [at, body] of [
      ["?stream=true", null],
      ["?%73tream=true", null],
      ["?a=b&stream", null],
      ["/", null],
      ["", "{}"],
    ] as const
  ) {
    const { status, text } = await get(url + at, body);
    assert.doesNotMatch(text, /hunter2/, at);
    // Deno.serve takes no body with a GET: it is the whole answer then.
    if (status !== 400) assert.equal(text, whole.text, at);
  }
  // What was asked is no answer; the simulated instance does not have it.
  assert.notEqual((await get(`${url}/input_items`, null)).status, 400);
});
