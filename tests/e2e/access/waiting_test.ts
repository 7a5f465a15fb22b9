// Places of a key: how many at once, who waits for one and how long, what a reload and a second worker
// make of it.

import assert from "node:assert/strict";
import { startGateway, variant } from "../../support/processes.ts";
import { chunk, sse } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";
import {
  ASK,
  ask,
  errorOf,
  heldUpstream,
  keyedGateway,
  makeKey,
  statusOf,
  type TestKey,
} from "./keyed.ts";
import { leftOf, pageOf, pageWhen } from "./key_page.ts";

Deno.test("access: more at once than a key or its group may have are refused, and a place that is free is taken", async () => {
  const { upstream, held } = heldUpstream();
  await using _ = upstream;
  const [web, app] = [
    makeKey("web", { concurrency: 1, group: "g" }),
    makeKey("app", { group: "g" }),
  ];
  await using gateway = await keyedGateway(upstream, [web, app], {
    groups: [{ name: "g", concurrency: 2 }],
  });
  const first = ask(gateway, web);
  await waitFor(() => held.length === 1, "the first");
  const refused = await ask(gateway, web);
  assert.equal(refused.status, 429);
  const error = await errorOf(refused);
  assert.equal(error.reason, "concurrency");
  assert.match(String(error.message), /^Key `web` may have 1 request at once/);
  const second = ask(gateway, app);
  await waitFor(() => held.length === 2, "the second");
  const third = await ask(gateway, app);
  assert.match(String((await errorOf(third)).message), /^Group `g` may have 2 requests at once/);
  for (const let_go of held) let_go();
  assert.deepEqual([await statusOf(first), await statusOf(second)], [200, 200]);
  const again = ask(gateway, web);
  await waitFor(() => held.length === 3, "the third");
  held[2]();
  assert.equal(await statusOf(again), 200);
});

Deno.test("access 28: a key that waits for its limit is served in its order, and holds up no other", async () => {
  const { upstream, held } = heldUpstream(() =>
    sse([chunk({ role: "assistant", content: "hi" }), chunk({}, "stop"), "[DONE]"])
  );
  await using _ = upstream;
  const web = makeKey("web", { concurrency: 1, over: "queue" });
  const other = makeKey("other");
  await using gateway = await keyedGateway(upstream, [web, other], { keepalive: 0.05 });
  const begin = (key: TestKey, user: string, init: RequestInit = {}) =>
    ask(gateway, key, { user, stream: true }, init);
  const one = begin(web, "one");
  await waitFor(() => upstream.seen.length === 1, "the first");
  const gone = new AbortController();
  // A comment opens the stream of one that waits: then it stands in line.
  const left = await begin(web, "left", { signal: gone.signal });
  const [two, three] = [await begin(web, "two"), await begin(web, "three")];
  const beside = begin(other, "other");
  await waitFor(() => upstream.seen.length === 2, "the other key's");
  gone.abort();
  await assert.rejects(left.text());
  const users = () => upstream.seen.map(({ text }) => JSON.parse(text).user);
  assert.deepEqual(users(), ["one", "other"]);
  for (let count = 0; count < 4; count++) {
    await waitFor(() => held.length > count, "the next");
    held[count]();
  }
  for (const stream of await Promise.all([one, two, three, beside])) {
    assert.equal(stream.status, 200);
    assert.match(await stream.text(), /"hi"[^]*\[DONE\]/);
  }
  // Each worker has a line of its own for a key.
  const seen = users();
  if (variant().args.length > 0) seen.splice(2, 2, ...seen.slice(2).sort().reverse());
  assert.deepEqual(seen, ["one", "other", "two", "three"]);
  await pageWhen(gateway, web, "the end", ({ in_flight }) => in_flight === 0);
});

Deno.test("access 28: the wait ends with queue.deadline, and keeps a stream's client with comments", async () => {
  const { upstream, held } = heldUpstream();
  await using _ = upstream;
  const web = makeKey("web", { concurrency: 1, over: "queue" });
  await using gateway = await keyedGateway(upstream, [web], {
    queue: { max: 1000, deadline: 1 },
    keepalive: 0.2,
  });
  const first = ask(gateway, web);
  await waitFor(() => held.length === 1, "the first");
  const whole = await ask(gateway, web);
  assert.equal(whole.status, 429);
  const error = await errorOf(whole);
  assert.equal(error.reason, "concurrency");
  assert.match(String(error.message), /It has waited 1 s \(queue\.deadline\)/);
  const stream = await ask(gateway, web, { stream: true });
  assert.equal(stream.status, 200);
  const text = await stream.text();
  assert.match(text, /^: keepalive\n\n/);
  assert.match(text, /data: .*"code":429/);
  assert.doesNotMatch(text, /\[DONE\]/);
  held[0]();
  assert.equal(await statusOf(first), 200);
});

Deno.test("access: a key may not hold more of a line than its share", async () => {
  const { upstream, held } = heldUpstream();
  await using _ = upstream;
  const [web, other] = [makeKey("web"), makeKey("other")];
  await using gateway = await keyedGateway(upstream, [web, other], {
    instances: [{ url: upstream.url, model_name: "m", max_concurrency: 1 }],
    queue: { max: 8, deadline: 30 },
    limits: { max_share_of_queue: 0.25 },
  });
  const all = [statusOf(ask(gateway, web))];
  await waitFor(() => held.length === 1, "the first");
  // Two of six may stand in line.
  const refusals: Response[] = [];
  for (let count = 0; count < 6; count++) {
    all.push(
      ask(gateway, web).then((answer) => {
        if (answer.status === 429) refusals.push(answer);
        else answer.body?.cancel();
        return answer.status;
      }),
    );
  }
  await waitFor(() => refusals.length === 4, () => `four of six: ${refusals.length}`);
  for (const refused of refusals) {
    assert.match(
      String((await errorOf(refused)).message),
      /as many requests in line as one key may/,
    );
  }
  const others = statusOf(ask(gateway, other));
  const letGo = setInterval(() => held.splice(0).forEach((go) => go()), 20);
  assert.equal(await others, 200);
  const statuses = (await Promise.all(all)).sort();
  assert.deepEqual(statuses, [200, 200, 200, 429, 429, 429, 429]);
  await waitFor(async () => (await pageOf(gateway, web)).in_flight === 0, "the end");
  clearInterval(letGo);
});

Deno.test("access 27: a stream that a comment has opened tells the limits in that head", async () => {
  const { upstream, held } = heldUpstream();
  await using _ = upstream;
  const web = makeKey("web", { requests_per_minute: 5 });
  await using gateway = await keyedGateway(upstream, [web], { keepalive: 0.1 });
  const stream = await ask(gateway, web, { stream: true });
  assert.equal(stream.headers.get("x-ratelimit-remaining-requests"), "4");
  await waitFor(() => held.length === 1, "the instance to be asked");
  held[0]();
  await stream.body?.cancel();
});

Deno.test("access 21: a reload finds what was used, and a limit that is gone cuts nobody", async () => {
  const { upstream, held } = heldUpstream();
  await using _ = upstream;
  const web = makeKey("web");
  const config = {
    instances: [{ url: upstream.url, model_name: "m" }],
    health_check: false,
  };
  const withLimits = (more: object) => ({ ...config, keys: [{ ...web.line, ...more }] });
  await using gateway = await startGateway({
    config: withLimits({ requests_per_minute: 10, concurrency: 5 }),
  });
  const reload = async (more: object) => {
    const said = gateway.output().length;
    await gateway.writeConfig(withLimits(more));
    await waitFor(
      () => gateway.output().slice(said).includes("configuration reloaded"),
      "the reload",
    );
  };
  const begun = performance.now();
  /** Of so many a minute half is left, and what has come back since. */
  const assertHalf = async (perMinute: number) => {
    const left = await leftOf(gateway, web, "requests_per_minute");
    const come = (performance.now() - begun) / 60_000 * perMinute;
    assert.ok(left >= perMinute / 2 && left <= perMinute / 2 + come, `${left} of ${perMinute}`);
  };
  const all = [1, 2, 3, 4, 5].map(() => statusOf(ask(gateway, web)));
  await waitFor(() => held.length === 5, "five");
  await assertHalf(10);
  await reload({ requests_per_minute: 100, concurrency: 2 });
  await assertHalf(100);
  assert.equal((await errorOf(await ask(gateway, web))).reason, "concurrency");
  await reload({});
  assert.deepEqual((await pageOf(gateway, web)).limits, []);
  for (const go of held) go();
  assert.deepEqual(await Promise.all(all), [200, 200, 200, 200, 200]);
  await waitFor(async () => (await pageOf(gateway, web)).in_flight === 0, "the end");
});

Deno.test("access 22: two workers share a key's places at once exactly", async () => {
  const { upstream, held } = heldUpstream();
  await using _ = upstream;
  const web = makeKey("web", { concurrency: 3 });
  await using gateway = await keyedGateway(upstream, [web], { workers: 2 });
  const answers = Array.from({ length: 24 }, () =>
    gateway.post("/v1/chat/completions", ASK, {
      headers: { authorization: `Bearer ${web.key}`, connection: "close" },
    }));
  let refused = 0;
  const statuses = answers.map((answer) =>
    statusOf(answer).then((status) => {
      if (status === 429) refused++;
      return status;
    })
  );
  await waitFor(
    () => refused + held.length === 24,
    () => `24 requests, there are ${refused} refused and ${held.length} under way`,
  );
  assert.deepEqual([refused, held.length], [21, 3]);
  for (const go of held) go();
  assert.equal((await Promise.all(statuses)).filter((status) => status === 200).length, 3);
  await waitFor(async () => (await pageOf(gateway, web)).in_flight === 0, "the end");
});
