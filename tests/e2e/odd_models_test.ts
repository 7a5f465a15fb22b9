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

Deno.test("models that are called as parts of any object are models like others", async () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "plain"];
  await using instance = await listing(names.map((id) => JSON.stringify({ id })).join(","));
  await using gateway = await gatewayFor({ url: instance.url, model_name: "*" }, looks);
  await waitFor(async () => {
    const { data } = await (await fetch(`${gateway.url}/v1/models`)).json();
    return data.length === names.length;
  }, () => `all of them:\n${gateway.output()}`);
  for (const name of names) {
    const response = await gateway.post("/v1/chat/completions", ask(name));
    assert.equal(response.status, 200, `${name}: ${await response.text()}`);
    assert.match(instance.calls.findLast(({ path }) => path.includes("chat"))!.text, RegExp(name));
  }
  assert.doesNotMatch(gateway.output(), /internal error/);
});

Deno.test("what stands in place of a context length stops neither the looking nor the checks", async () => {
  const deep = "[".repeat(50_000) + "]".repeat(50_000);
  const entries = [deep, '{"toString":1}', '"long"', "1e999", "null"].map((length, index) =>
    `{"id":"m${index}","max_model_len":${length}}`
  );
  await using instance = await listing(entries.join(","));
  await using gateway = await gatewayFor({ url: instance.url, model_name: "*" }, {
    ...looks,
    health_check: { interval: 0.2 },
  });
  await waitFor(async () => {
    const { data } = await (await fetch(`${gateway.url}/v1/models`)).json();
    return data.length === entries.length;
  }, () => `all of them:\n${gateway.output()}`);
  const looked = instance.calls.length;
  await waitFor(() => instance.calls.length > looked + 4, "further questions");
  assert.doesNotMatch(gateway.output(), /internal error/);
});

Deno.test("a context as long as no number of 32 bits is a long one", async () => {
  for (const length of ["2147483648", "4294967396", "1e999"]) {
    await using instance = await listing(`{"id":"m","max_model_len":${length}}`);
    await using gateway = await gatewayFor({ url: instance.url, model_name: "m" }, looks);
    await waitFor(async () => {
      const { data } = await (await fetch(`${gateway.url}/v1/models`)).json();
      return data[0].max_model_len !== undefined;
    }, "its list");
    const explained = await gateway.post("/admin/explain", ask("m"));
    const { instances } = await explained.json();
    assert.equal(instances[0].max_context, 2147483647, length);
  }
});

Deno.test("so are those in the file, under the names that it gives them", async () => {
  await using instance = await listing("");
  await using gateway = await gatewayFor({
    url: instance.url,
    model_name: ["constructor", "valueOf"],
    upstream_model: { valueOf: "real" },
  });
  for (const [model, sent] of [["constructor", "constructor"], ["valueOf", "real"]]) {
    const response = await gateway.post("/v1/chat/completions", ask(model));
    assert.equal(response.status, 200, await response.text());
    const { text } = instance.calls.findLast(({ path }) => path.includes("chat"))!;
    assert.equal(JSON.parse(text.slice(text.indexOf("\r\n\r\n"))).model, sent);
  }
});
