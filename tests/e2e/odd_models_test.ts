// What an instance lists as its models is its own affair: however long the list is, and however odd the
// names, the gateway goes on, for all others too.

import assert from "node:assert/strict";
import { completion, type OddServer, startOddServer, whole } from "../faults/odd_server.ts";
import { gatewayFor } from "../support/gateway_for.ts";
import { waitFor } from "../support/wait.ts";

/** An instance whose list has these entries. */
function listing(entries: string): Promise<OddServer> {
  return startOddServer(({ path, write }) =>
    write(whole(path === "/v1/models" ? `{"data":[${entries}]}` : completion("hi")))
  );
}

const looks = { model_discovery: { interval: 0.2 } };

function ask(model: string): Record<string, unknown> {
  return { model, messages: [{ role: "user", content: "hello" }] };
}

Deno.test("a list of more entries than a call takes arguments stops nobody", async () => {
  await using instance = await listing(`{"id":"m"}${`,{"id":"m"}`.repeat(300_000)}`);
  await using gateway = await gatewayFor({ url: instance.url, model_name: "*" }, looks);
  await waitFor(async () => {
    const { data } = await (await fetch(`${gateway.url}/v1/models`)).json();
    return data.length === 1 && data[0].id === "m";
  }, "the model");
  const response = await gateway.post("/v1/chat/completions", ask("m"));
  assert.equal(response.status, 200, await response.text());
});
