// Failures that another attempt can absorb: where it goes, when, and how many there are at most. The
// simulated instances count what they were asked, so an attempt too many shows.

import assert from "node:assert/strict";
import { startSimulators } from "../support/processes.ts";
import { chatText, readSse } from "../support/sse.ts";
import { waitFor, within } from "../support/wait.ts";
import {
  chatBody,
  contentOf,
  errorOf,
  exactRecordsOf,
  settled,
  startFleet,
  startGatewayFor,
} from "./fleet.ts";
import { completion, type OddCall, startOddServer, whole } from "./odd_server.ts";
import { freePort } from "../support/ports.ts";

/** An address where nobody listens. */
function deadUrl(): string {
  return `http://127.0.0.1:${freePort()}/v1`;
}

for (
  const [fault, said] of [
    ["reset", /it closed the connection before it answered/],
    ["close", /it closed the connection before it answered/],
    ["500", /answered 500: Internal server error/],
    ["503", /answered 503: simulated: the service is not available/],
    ["engine-dead", /answered 500: EngineCore encountered an issue/],
    ["cut", /the connection broke in the middle of the answer/],
    ["cut-reset", /the connection broke in the middle of the answer/],
    ["cut-clean", /sent an answer that is no whole JSON/],
    ["malformed", /sent an answer that is no whole JSON/],
    ["empty", /sent an empty answer/],
  ] as const
) {
  Deno.test(`${fault}, not streamed: another instance answers at once`, async () => {
    await using fleet = await startFleet();
    await fleet.simulators.fail(0, fault);
    for (let i = 0; i < 3; i++) {
      const response = await fleet.chat();
      assert.equal(response.headers.get("x-gateway-instance"), "sim-1");
      assert.ok(await contentOf(response));
    }
    const [first, second] = await fleet.counts();
    assert.equal(second, 3);
    assert.ok(first >= 1 && first <= 3, `at most once for each request, not ${first}`);
    const { complete } = await fleet.records(3, 0);
    const failed = complete.flatMap(({ meta }) => meta.attempts ?? []).filter(({ error }) => error);
    assert.equal(failed.length, first);
    for (const attempt of failed) {
      assert.equal(attempt.instance, "sim-0");
      assert.match(attempt.error!, said);
    }
    const health = await fleet.health();
    assert.deepEqual(health.instances.map(({ recent_errors }) => recent_errors), [first, 0]);
    await fleet.settled();
  });
}

Deno.test("refused: another instance answers at once", async () => {
  await using fleet = await startFleet({
    each: (index) => index === 0 ? { url: deadUrl() } : {},
  });
  for (let i = 0; i < 3; i++) {
    assert.ok(await contentOf(await fleet.chat()));
    assert.ok((await readSse(await fleet.chat({ stream: true }))).done);
  }
  assert.deepEqual(await fleet.counts(), [0, 6]);
  const { complete } = await fleet.records(6, 0);
  const failed = complete.flatMap(({ meta }) => meta.attempts ?? []).filter(({ error }) => error);
  assert.ok(failed.length >= 1);
  for (const { error } of failed) assert.equal(error, "connection refused");
  await fleet.settled();
});

for (const stream of [false, true]) {
  const kind = stream ? "streamed" : "whole";
  Deno.test(`killed (SIGKILL) while it thinks, ${kind}: another instance answers`, async () => {
    await using dying = await startSimulators({ args: ["--ttft", "60"] });
    await using fleet = await startFleet({
      each: (index) => index === 0 ? { url: dying.urls[0], weight: 1000 } : {},
    });
    const answer = fleet.chat({ stream });
    await waitFor(
      async () => (await dying.requests(0)).some(({ method }) => method === "POST"),
      "it to be asked",
    );
    await dying.process.kill();
    const response = await within(answer, "the answer of the other one");
    assert.equal(response.headers.get("x-gateway-instance"), "sim-1");
    if (stream) assert.ok((await readSse(response)).done);
    else assert.ok(await contentOf(response));
    // From now on nobody listens there.
    assert.ok(await contentOf(await fleet.chat()));
    const { complete } = await fleet.records(2, 0);
    const errors = complete.map(({ meta }) => meta.attempts?.[0].error);
    // A stream's head comes before its first token.
    assert.match(errors[0]!, stream ? /broke in the middle/ : /closed the connection before/);
    assert.equal(errors[1], "connection refused");
    await fleet.settled();
  });
}

for (const status of ["429", "503"]) {
  Deno.test(`${status} with Retry-After: another instance, and back not before that time`, async () => {
    await using fleet = await startFleet();
    await fleet.simulators.fail(0, `${status}:retry-after=6`, { count: 1 });
    // The one who says it may be the first or, by turns, the second who is asked.
    while ((await fleet.counts())[0] === 0) {
      assert.ok(await contentOf(await fleet.chat()));
    }
    const state = async () => (await fleet.health()).instances[0].state;
    let meanwhile = 0;
    while (await state() === "busy") {
      const response = await fleet.chat();
      assert.ok(await contentOf(response));
      // Only what was answered while it was still busy proves anything.
      if (await state() !== "busy") break;
      assert.equal(response.headers.get("x-gateway-instance"), "sim-1");
      assert.equal((await fleet.counts())[0], 1);
      meanwhile++;
    }
    assert.ok(meanwhile > 0, "requests came in that time");
    await waitFor(async () => {
      assert.ok(await contentOf(await fleet.chat()));
      return (await fleet.counts())[0] > 1;
    }, "it to be asked again");
    const health = await fleet.health();
    assert.equal(health.instances[0].recent_errors, 0, "busy is no failure");
    await fleet.settled();
  });
}

Deno.test("all busy for long: 429 with the time to wait, and no request meanwhile", async () => {
  await using fleet = await startFleet({
    config: { retry: { max_wait: 0.2, max_retry_after: 900 } },
  });
  await fleet.simulators.fail(0, "429:retry-after=600");
  await fleet.simulators.fail(1, "429:retry-after=900");
  const first = await fleet.chat();
  assert.equal(first.headers.get("retry-after"), "600");
  const error = await errorOf(first, 429, "RateLimitError");
  assert.match(error.message, /sim-0: answered 429: simulated: too many requests/);
  assert.match(error.message, /sim-1: answered 429/);
  const second = await fleet.chat({ stream: true });
  const seconds = Number(second.headers.get("retry-after"));
  assert.ok(seconds > 300 && seconds <= 600, `${seconds}`);
  await errorOf(second, 429, "RateLimitError");
  assert.deepEqual(await fleet.counts(), [1, 1]);
  const health = await fleet.health();
  assert.deepEqual(health.instances.map(({ state }) => state), ["busy", "busy"]);
  await fleet.records(0, 2);
  await fleet.settled();
});

Deno.test("Retry-After as a date is honoured, one that makes no sense is none", async () => {
  const times = [new Date(Date.now() + 60_000).toUTCString(), "soon", "-5", ""];
  const left: (number | null)[] = [];
  for (const time of times) {
    await using server = await startOddServer((call) =>
      call.write(
        `HTTP/1.1 429 Too Many Requests\r\nretry-after: ${time}\r\ncontent-length: 0\r\n\r\n`,
      )
    );
    await using gateway = await startGatewayFor([server.url]);
    const response = await gateway.post("/v1/chat/completions", chatBody());
    await errorOf(response, 429, "RateLimitError");
    left.push(Number(response.headers.get("retry-after")));
    assert.equal(server.calls.length, 1);
    await settled(gateway);
  }
  assert.ok(left[0]! > 30 && left[0]! <= 60, `${left[0]} s`);
  assert.deepEqual(left.slice(1), [1, 1, 1]);
});

for (const how of ["stall", "reset"] as const) {
  Deno.test(`a refusal whose body does not come (${how}) counts by its status`, async () => {
    await using refusing = await startOddServer((call) => {
      call.write(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\ncontent-length: 100\r\n\r\n{",
      );
      // Only once the head has been seen: a reset takes back what was not read yet.
      if (how === "reset") setTimeout(call.reset, 200);
    });
    await using fleet = await startFleet({
      each: (index) => index === 0 ? { url: refusing.url } : {},
    });
    for (let i = 0; i < 4; i++) assert.ok(await contentOf(await fleet.chat()));
    assert.equal(refusing.calls.length, 1, "not asked again before its time");
    const [busy] = (await fleet.health()).instances;
    assert.deepEqual([busy.state, busy.recent_errors], ["busy", 0]);
    await waitFor(() => refusing.calls[0].closed, "it to be left");
    await fleet.records(4, 0);
    await fleet.settled();
  });
}

for (const path of ["/v1/embeddings", "/rerank", "/tokenize", "/v1/completions"]) {
  Deno.test(`${path} is asked elsewhere too`, async () => {
    await using fleet = await startFleet();
    const body = {
      model: "demo",
      input: "hello",
      prompt: "hello",
      query: "hello",
      documents: ["hello", "good bye"],
      max_tokens: 4,
    };
    for (const fault of ["500", "reset", "cut", "cut-clean"]) {
      await fleet.simulators.reset(0);
      await fleet.simulators.fail(0, fault, { path });
      for (let i = 0; i < 2; i++) {
        const response = await fleet.gateway.post(path, body);
        assert.equal(response.headers.get("x-gateway-instance"), "sim-1", fault);
        assert.equal(response.status, 200);
        await response.json();
      }
      assert.ok((await fleet.counts())[0] >= 1, fault);
    }
    await fleet.settled();
  });
}

Deno.test("busy for a moment: the request waits as long as it was told to, then is asked again", async () => {
  const times: number[] = [];
  await using server = await startOddServer((call) => {
    times.push(performance.now());
    call.write(
      call.number === 0
        ? "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
        : whole(completion("after a while")),
    );
  });
  await using gateway = await startGatewayFor([server.url], { retry: { max_wait: 3 } });
  const response = await gateway.post("/v1/chat/completions", chatBody());
  assert.equal(await contentOf(response), "after a while");
  assert.equal(times.length, 2);
  assert.ok(times[1] - times[0] >= 990, `not after ${times[1] - times[0]} ms`);
  await exactRecordsOf(gateway, 1, 0);
  await settled(gateway);
});

Deno.test("one that dies over a request is waited for up to retry.max_wait, and asked again", async () => {
  const died = Promise.withResolvers<void>();
  const port = freePort();
  await using first = await startOddServer((call) => {
    call.reset();
    died.resolve();
  }, port);
  await using gateway = await startGatewayFor([first.url], { retry: { max_wait: 600 } });
  const answer = gateway.post("/v1/chat/completions", chatBody());
  await died.promise;
  await first[Symbol.asyncDispose]();
  // Twice the longest pause, so that at least one look finds nobody there.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await using _again = await startOddServer((call) => call.write(whole(completion("late"))), port);
  assert.equal(await contentOf(await answer), "late");
  const { complete } = await exactRecordsOf(gateway, 1, 0);
  const errors = (complete[0].meta.attempts ?? []).map(({ error }) => error);
  assert.ok(errors.filter((error) => error === "connection refused").length > 0, String(errors));
  await settled(gateway);
});

Deno.test("looking for one that has died takes no retry from others", async () => {
  const died = Promise.withResolvers<void>();
  await using mortal = await startOddServer((call) => {
    call.reset();
    died.resolve();
  });
  await using busy = await startOddServer((call) => {
    call.write(
      call.number === 0
        ? "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
        : whole(completion("again")),
    );
  });
  await using gateway = await startGatewayFor([], {
    instances: [
      { url: mortal.url, model_name: "mortal", name: "mortal" },
      { url: busy.url, model_name: "demo", name: "busy" },
    ],
    retry: { max_wait: 6 },
  });
  const lost = gateway.post("/v1/chat/completions", chatBody({ model: "mortal" }));
  await died.promise;
  await mortal[Symbol.asyncDispose]();
  // Some twenty looks, where the budget of a quiet gateway has ten retries.
  await errorOf(await within(lost, "the end of looking"), 502, "BadGatewayError");
  const response = await gateway.post("/v1/chat/completions", chatBody());
  assert.equal(await contentOf(response), "again");
  await settled(gateway);
});

Deno.test("a retry that finds nobody takes none from others", async () => {
  await using busy = await startOddServer((call) => {
    call.write(
      call.number % 2 === 0
        ? "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
        : whole(completion("again")),
    );
  });
  await using gateway = await startGatewayFor([], {
    instances: [
      { url: deadUrl(), model_name: "dead", name: "dead" },
      { url: busy.url, model_name: "demo", name: "busy" },
    ],
    retry: { max_wait: 0.02 },
  });
  // Far more than the ten retries that the budget of each worker has in a quiet time.
  await Promise.all(Array.from({ length: 60 }, async () => {
    const answer = await gateway.post("/v1/chat/completions", chatBody({ model: "dead" }));
    await errorOf(answer, 502, "BadGatewayError");
  }));
  for (let n = 0; n < 5; n++) {
    assert.equal(await contentOf(await gateway.post("/v1/chat/completions", chatBody())), "again");
  }
  await settled(gateway);
});

Deno.test("a request that has its connection reset is given to an instance three times at most", async () => {
  const kept = 8;
  // Deno's fetch sends a request once more by itself, without a word, where a kept connection was reset.
  const most = Deno.env.get("TEST_TRANSPORT") === "fetch" ? 3 + kept : 3;
  let poisoned = 0;
  const good: OddCall[] = [];
  await using server = await startOddServer((call) => {
    if (!call.text.includes("poison")) return void good.push(call);
    poisoned++;
    call.reset();
  });
  await using gateway = await startGatewayFor([server.url], { retry: { max_wait: 2 }, workers: 1 });
  // Kept connections, more than there could be attempts.
  const answers = Array.from({ length: kept }, async () => {
    assert.ok(await contentOf(await gateway.post("/v1/chat/completions", chatBody())));
  });
  await waitFor(() => good.length === kept, "all of them");
  for (const call of good) call.write(whole(completion("good")));
  await Promise.all(answers);
  const body = chatBody({ messages: [{ role: "user", content: "poison" }] });
  await errorOf(await gateway.post("/v1/chat/completions", body), 502, "BadGatewayError");
  assert.ok(poisoned >= 2 && poisoned <= most, `given to it ${poisoned} times`);
  await settled(gateway);
});

Deno.test("where nobody was there to be asked the client hears so without a wait", async () => {
  await using gateway = await startGatewayFor([deadUrl()], { retry: { max_wait: 600 } });
  const asked = gateway.post("/v1/chat/completions", chatBody());
  const { message } = await errorOf(await within(asked, "an answer"), 502, "BadGatewayError");
  assert.match(message, /connection refused/);
  await settled(gateway);
});

Deno.test("an outage is not made worse: retries are at most a fifth of the requests", async () => {
  await using fleet = await startFleet({ count: 1, config: { retry: { max_wait: 0.02 } } });
  await fleet.simulators.fail(0, "500");
  const requests = 150;
  for (let sent = 0; sent < requests; sent += 10) {
    await Promise.all(Array.from({ length: 10 }, async () => {
      await errorOf(await fleet.chat(), 502, "BadGatewayError");
    }));
  }
  const [asked] = await fleet.counts();
  const quietTime = 10 * Number(Deno.env.get("TEST_WORKERS") ?? 1);
  assert.ok(asked >= requests, "each was asked once");
  assert.ok(asked <= requests * 1.2 + quietTime, `${asked} attempts for ${requests} requests`);
  await fleet.settled();
});

Deno.test("after a failure a request waits for the others that are full, not for the one that failed", async () => {
  await using fleet = await startFleet({
    each: () => ({ max_concurrency: 1 }),
    simulate: ["--tokens-per-second", "20"],
    config: { retry: { max_wait: 0 } },
  });
  // The one that works is kept busy; the other one is free, and fails whatever it is asked.
  await fleet.simulators.fail(0, "reset");
  const running = await fleet.chat({ stream: true, max_tokens: 120 });
  assert.equal(running.headers.get("x-gateway-instance"), "sim-1");
  const before = (await fleet.counts())[0];
  const waiting = fleet.chat({ max_tokens: 2 });
  await waitFor(async () => (await fleet.health()).waiting === 1, "the second request to wait");
  assert.ok((await readSse(running)).done);
  const response = await within(waiting, "the second answer");
  assert.equal(response.headers.get("x-gateway-instance"), "sim-1");
  assert.ok(await contentOf(response));
  assert.equal((await fleet.counts())[0], before + 1, "asked once");
  await fleet.records(2, 0);
  await fleet.settled();
});

Deno.test("a stream that broke before its first event is asked elsewhere, and its text is whole", async () => {
  await using fleet = await startFleet();
  const expected = chatText(await readSse(await fleet.chat({ stream: true })));
  await fleet.simulators.fail(0, "cut-reset:0");
  for (let i = 0; i < 2; i++) {
    const answer = await readSse(await fleet.chat({ stream: true }));
    assert.ok(answer.done);
    assert.deepEqual(chatText(answer), expected);
  }
  await fleet.records(3, 0);
  await fleet.settled();
});
