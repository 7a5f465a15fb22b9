// A client that leaves, in every phase: the instance is left at once (that is what frees its GPU), the
// lease with it, and nobody takes it for a failure.

import assert from "node:assert/strict";
import type { GatewayProcess } from "../support/processes.ts";
import { waitFor, within } from "../support/wait.ts";
import {
  chatBody,
  contentOf,
  exactRecordsOf,
  type Fleet,
  healthOf,
  settled,
  startFleet,
  startGatewayFor,
} from "./fleet.ts";
import { startOddServer } from "./odd_server.ts";

/** A request whose client can leave. */
function leavable(gateway: GatewayProcess, body: Record<string, unknown>) {
  const aborter = new AbortController();
  const response = gateway.post("/v1/chat/completions", body, { signal: aborter.signal });
  // It ends with the abort, before or after the head; either is what the test wants.
  const ended = response.then((response) => response.text()).then(() => "whole", () => "left");
  return {
    response,
    async leave() {
      aborter.abort();
      assert.equal(await within(ended, "the client to be gone"), "left");
    },
  };
}

async function inFlight(gateway: GatewayProcess): Promise<number> {
  const { instances } = await healthOf(gateway);
  return instances.reduce((sum, { in_flight }) => sum + in_flight, 0);
}

/** The only line about the request says that it was aborted, and no instance is the worse for it. */
async function assertNoFailure(gateway: GatewayProcess, records = 1): Promise<void> {
  await settled(gateway);
  const { instances } = await healthOf(gateway);
  for (const { state, recent_errors } of instances) {
    assert.deepEqual([state, recent_errors], ["healthy", 0]);
  }
  const { incomplete } = await exactRecordsOf(gateway, 0, records);
  for (const { meta } of incomplete) assert.match(meta.error!, /the client left/);
}

async function assertLeft(fleet: Fleet, index: number): Promise<void> {
  await waitFor(
    async () => (await fleet.asked(index)).every(({ aborted }) => aborted),
    `sim-${index} to be left`,
  );
}

Deno.test("while its body is on the way: no instance hears of it", async () => {
  await using fleet = await startFleet({ count: 1 });
  const body = JSON.stringify(chatBody());
  const client = await Deno.connect({ hostname: "127.0.0.1", port: fleet.gateway.port });
  await client.write(
    new TextEncoder().encode(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n" +
        `content-length: ${body.length}\r\n\r\n${body.slice(0, body.length / 2)}`,
    ),
  );
  client.close();
  // The next request is served as if nothing had been, and is the only one that was asked.
  assert.ok(await contentOf(await fleet.chat()));
  assert.deepEqual(await fleet.counts(), [1]);
  await fleet.records(1, 0);
  await fleet.settled();
});

Deno.test("while it waits in line: its place is free at once, and nothing was asked for it", async () => {
  await using fleet = await startFleet({
    count: 1,
    each: () => ({ max_concurrency: 1 }),
  });
  let running: Promise<Response> | null = null;
  await fleet.frozen(async () => {
    running = fleet.chat({ max_tokens: 20 });
    await waitFor(async () => await inFlight(fleet.gateway) === 1, "the first request to run");
    const waiting = leavable(fleet.gateway, chatBody());
    await waitFor(async () => (await fleet.health()).waiting === 1, "the second to wait");
    await waiting.leave();
    await waitFor(async () => (await fleet.health()).waiting === 0, "its place to be free");
  });
  assert.ok(await contentOf(await running!));
  assert.deepEqual(await fleet.counts(), [1]);
  await fleet.records(1, 1);
  await fleet.settled();
});

Deno.test("while the connection is being made", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = listener.addr as Deno.NetAddr;
  const filling: Deno.TcpConn[] = [];
  for (let i = 0; i < 2; i++) filling.push(await Deno.connect({ hostname: "127.0.0.1", port }));
  try {
    await using gateway = await startGatewayFor([`http://127.0.0.1:${port}/v1`], {
      timeouts: { connect: 600 },
    });
    const client = leavable(gateway, chatBody({ stream: true }));
    await waitFor(async () => await inFlight(gateway) === 1, "the attempt");
    await client.leave();
    await assertNoFailure(gateway);
  } finally {
    for (const connection of filling) connection.close();
    listener.close();
  }
});

for (const stream of [false, true]) {
  const kind = stream ? "streamed" : "whole";
  for (const fault of ["hang", "hang-headers-sent"]) {
    Deno.test(`${fault}, ${kind}: while nothing has come`, async () => {
      await using fleet = await startFleet({ count: 1, fallbacks: 1 });
      await fleet.simulators.fail(0, fault);
      const client = leavable(fleet.gateway, chatBody({ stream }));
      await waitFor(async () => (await fleet.counts())[0] === 1, "the instance to be asked");
      await client.leave();
      await assertLeft(fleet, 0);
      await assertNoFailure(fleet.gateway);
      assert.deepEqual(await fleet.counts(), [1, 0], "nobody else is asked");
      await fleet.gateway.stop();
      assert.equal(await fleet.errorLog(), "");
    });
  }
}

Deno.test("while a role chunk is all that has come", async () => {
  await using slow = await startOddServer((call) => {
    call.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
    call.write(
      'data: {"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
    );
  });
  await using gateway = await startGatewayFor([slow.url]);
  const client = leavable(gateway, chatBody({ stream: true }));
  await waitFor(() => slow.calls.length === 1, "it to be asked");
  await client.leave();
  await waitFor(() => slow.calls[0].closed, "it to be left");
  await assertNoFailure(gateway);
});

Deno.test("after keepalive comments", async () => {
  await using fleet = await startFleet({ count: 1, config: { keepalive: 0.1 } });
  await fleet.simulators.fail(0, "hang");
  const client = leavable(fleet.gateway, chatBody({ stream: true }));
  assert.equal((await within(client.response, "the first comment")).status, 200);
  await client.leave();
  await assertLeft(fleet, 0);
  await assertNoFailure(fleet.gateway);
  assert.deepEqual(await fleet.counts(), [1]);
});

Deno.test("in the middle of a stream", async () => {
  await using fleet = await startFleet({ simulate: ["--tokens-per-second", "20"] });
  const client = leavable(fleet.gateway, chatBody({ stream: true, max_tokens: 2000 }));
  const asked = async () => [...await fleet.asked(0), ...await fleet.asked(1)];
  await waitFor(
    async () => (await asked()).some(({ tokens_sent }) => tokens_sent > 3),
    "the stream to flow",
  );
  await client.leave();
  await waitFor(async () => (await asked()).every(({ aborted }) => aborted), "it to be left");
  await assertNoFailure(fleet.gateway);
  const [request, ...others] = await asked();
  assert.deepEqual(others, [], "nobody is asked to go on with it");
  assert.ok(request.tokens_sent < 1000);
});

Deno.test("in the middle of a stream that it does not read", async () => {
  await using fleet = await startFleet({ count: 1, simulate: ["--max-model-len", "1000000"] });
  const body = JSON.stringify(chatBody({ stream: true, max_tokens: 200_000, ignore_eos: true }));
  const client = await Deno.connect({ hostname: "127.0.0.1", port: fleet.gateway.port });
  await client.write(
    new TextEncoder().encode(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nx-simulate-tokens: 200000\r\n" +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    ),
  );
  await waitFor(
    async () => (await fleet.asked(0))[0]?.tokens_sent > 100,
    "the stream to flow",
  );
  client.close();
  await settled(fleet.gateway);
  await waitFor(
    async () => (await fleet.asked(0))[0].finished || (await fleet.asked(0))[0].aborted,
    "its end",
  );
  const [request] = await fleet.asked(0);
  assert.ok(request.aborted, `${request.tokens_sent} tokens, though nobody read them`);
  const { instances } = await fleet.health();
  assert.equal(instances[0].recent_errors, 0);
});

Deno.test("while a whole answer is being made", async () => {
  await using fleet = await startFleet({ simulate: ["--ttft", "60"] });
  const client = leavable(fleet.gateway, chatBody());
  const asked = async () => [...await fleet.asked(0), ...await fleet.asked(1)];
  await waitFor(async () => (await asked()).length === 1, "an instance to be asked");
  await client.leave();
  await waitFor(async () => (await asked()).every(({ aborted }) => aborted), "it to be left");
  await assertNoFailure(fleet.gateway);
  assert.equal((await asked()).length, 1);
});

Deno.test("while the request waits to be tried once more: it is not", async () => {
  await using fleet = await startFleet({
    count: 1,
    fallbacks: 1,
    config: { retry: { max_wait: 600, max_retry_after: 600 } },
  });
  await fleet.simulators.fail(0, "503:retry-after=300");
  const client = leavable(fleet.gateway, chatBody());
  await waitFor(
    async () => (await fleet.health()).instances[0].state === "busy",
    "the instance to say when it wants to be asked again",
  );
  await client.leave();
  await fleet.settled();
  // The line about it is written when the request is over: it did not wait for five minutes.
  const { incomplete } = await fleet.records(0, 1);
  assert.match(incomplete[0].meta.error!, /the client left/);
  assert.deepEqual(await fleet.counts(), [1, 0]);
});

Deno.test("on the second instance, after the first has failed", async () => {
  await using fleet = await startFleet();
  await fleet.simulators.fail(0, "reset");
  await fleet.simulators.fail(1, "hang");
  const client = leavable(fleet.gateway, chatBody({ stream: true }));
  await waitFor(async () => (await fleet.counts())[1] === 1, "the second to be asked");
  await client.leave();
  await assertLeft(fleet, 1);
  await fleet.settled();
  const { instances } = await fleet.health();
  assert.equal(instances[1].recent_errors, 0, "only the failure counts");
  assert.ok((await fleet.counts())[0] <= 1);
  await fleet.records(0, 1);
});

Deno.test("many clients that leave eject nobody and leave no lease behind", async () => {
  await using fleet = await startFleet({
    simulate: ["--tokens-per-second", "20"],
    config: { error_threshold: 1 },
  });
  const clients = Array.from(
    { length: 40 },
    (_, at) => leavable(fleet.gateway, chatBody({ stream: at % 2 === 0, max_tokens: 2000 })),
  );
  // A lease begins before its instance is asked: both have to have heard of them.
  let asked: number[] = [];
  await waitFor(
    async () => (asked = await fleet.counts()).reduce((sum, count) => sum + count) === 40,
    () => `all to be under way: ${asked}`,
  );
  await Promise.all(clients.map((client) => client.leave()));
  await assertNoFailure(fleet.gateway, 40);
  for (const index of [0, 1]) await assertLeft(fleet, index);
  assert.deepEqual((await fleet.counts()).reduce((sum, count) => sum + count), 40);
  assert.ok(await contentOf(await fleet.chat()));
});
