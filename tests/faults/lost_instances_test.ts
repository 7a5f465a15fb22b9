// A whole answer that loses one instance after the other looks for one that is back, and a request that
// kills whoever is asked is not given to them more often for it.

import assert from "node:assert/strict";
import { waitFor, within } from "../support/wait.ts";
import { freePort } from "../support/ports.ts";
import { chatBody, contentOf, errorOf, healthOf, settled, startGatewayFor } from "./fleet.ts";
import { completion, type OddCall, startOddServer, whole } from "./odd_server.ts";

const isChat = (call: OddCall) => call.path.endsWith("/chat/completions");

Deno.test("the time that attempts take is none in which an instance was looked for", async () => {
  let asked = 0;
  await using mortal = await startOddServer((call) => {
    asked++;
    if (asked === 1) call.reset();
    // Longer than retry.max_wait after the first pause.
    else if (asked === 2) setTimeout(() => call.reset(), 2500);
    else call.write(whole(completion("at last")));
  });
  const dead = `http://127.0.0.1:${freePort()}/v1`;
  await using gateway = await startGatewayFor([mortal.url, dead], { retry: { max_wait: 2 } });
  assert.equal(await contentOf(await gateway.post("/v1/chat/completions", chatBody())), "at last");
  assert.equal(asked, 3);
  await settled(gateway);
});

Deno.test("one that was left since it was down is asked again when it is well", async () => {
  let isSick = false;
  let isBack = () => Promise.resolve(true);
  await using sick = await startOddServer((call) => {
    if (!isChat(call)) {
      return call.write(isSick ? "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n" : whole("{}"));
    }
    if (sick.calls.filter(isChat).length > 1) return call.write(whole(completion("well again")));
    // Silent, with its connection open.
    isSick = true;
  });
  await using mortal = await startOddServer((call) => {
    if (!isChat(call)) return call.write(whole("{}"));
    if (!isSick) return call.reset();
    // When it dies the other one is back.
    waitFor(async () => {
      const isDown = !await isBack();
      if (isDown) isSick = false;
      return !isSick && !isDown;
    }, "the sick one to be back").then(() => call.reset());
  });
  await using gateway = await startGatewayFor([], {
    instances: [
      { url: sick.url, model_name: "demo", name: "sick" },
      { url: mortal.url, model_name: "demo", name: "mortal" },
    ],
    health_check: { interval: 0.1 },
    retry: { max_wait: 60 },
  });
  isBack = async () => (await healthOf(gateway)).instances[0].state !== "down";
  const answer = gateway.post("/v1/chat/completions", chatBody());
  assert.equal(await contentOf(await within(answer, "an answer")), "well again");
  await settled(gateway);
});

Deno.test("what kills whoever is asked is given to each twice, as where nobody is looked for", async () => {
  let asked = 0;
  const answer = (call: OddCall) => {
    asked++;
    call.reset();
  };
  await using one = await startOddServer(answer);
  await using two = await startOddServer(answer);
  await using three = await startOddServer(answer);
  const urls = [one.url, two.url, three.url];
  await using gateway = await startGatewayFor(urls, { retry: { max_wait: 600 } });
  const refused = gateway.post("/v1/chat/completions", chatBody());
  await errorOf(await within(refused, "a refusal"), 502, "BadGatewayError");
  assert.equal(asked, 6);
  await settled(gateway);
});

Deno.test("nor more often where one is away first and back in between", async () => {
  let asked = 0;
  let back: ReturnType<typeof startOddServer> | null = null;
  const port = freePort();
  const answer = (call: OddCall) => {
    asked++;
    // The third comes back within the round that would be the last.
    if (asked === 5) back = startOddServer(answer, port).finally(() => call.reset());
    else call.reset();
  };
  await using one = await startOddServer(answer);
  await using two = await startOddServer(answer);
  const urls = [one.url, two.url, `http://127.0.0.1:${port}/v1`];
  await using gateway = await startGatewayFor(urls, { retry: { max_wait: 600 } });
  const refused = gateway.post("/v1/chat/completions", chatBody());
  await errorOf(await within(refused, "a refusal"), 502, "BadGatewayError");
  assert.equal(asked, 6);
  await settled(gateway);
  await (await back!)[Symbol.asyncDispose]();
});
