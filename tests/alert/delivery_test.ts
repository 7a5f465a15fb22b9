// The way from alerts to messages: storms, retries, bounds, and that nobody waits for a channel.

import assert from "node:assert/strict";
import { type Alert, ChannelError, type Messenger, type Notice } from "../../lib/alert/alert.ts";
import { Delivery, type Failure } from "../../lib/alert/delivery.ts";
import { Outlets, wants } from "../../lib/alert/outlets.ts";
import { textOf, titleOf } from "../../lib/alert/wording.ts";
import { FakeClock } from "./fake_clock.ts";
import { alert } from "./samples.ts";

/** Takes messages, or answers with the errors it is given first. */
class Receiver implements Messenger {
  readonly secrets = ["s3cret-path"];
  readonly notices: Notice[] = [];
  attempts = 0;
  errors: Error[] = [];

  deliver(notice: Notice): Promise<void> {
    this.attempts++;
    const error = this.errors.shift();
    if (error !== undefined) return Promise.reject(error);
    this.notices.push(notice);
    return Promise.resolve();
  }
}

function stand(messenger: Messenger) {
  const clock = new FakeClock();
  const failures: Failure[] = [];
  const delivery = new Delivery({
    name: "chat",
    messenger,
    source: "gateway-1",
    summaryWindowS: 30,
    clock,
    onFailure: (failure) => failures.push(failure),
  });
  return { clock, delivery, failures };
}

const instances = (count: number): Alert[] =>
  Array.from({ length: count }, (_, i) => alert({ subject: `gpu-${i}` }));

Deno.test("a few alerts come one by one, within a second", async () => {
  const receiver = new Receiver();
  const { clock, delivery } = stand(receiver);
  for (const one of instances(3)) delivery.offer(one);
  await clock.advance(1000);
  assert.deepEqual(receiver.notices.map(titleOf), [
    "Instance ejected: gpu-0",
    "Instance ejected: gpu-1",
    "Instance ejected: gpu-2",
  ]);
});

Deno.test("a storm is one message that names what it is about", async () => {
  const receiver = new Receiver();
  const { clock, delivery } = stand(receiver);
  for (const one of instances(40)) delivery.offer(one);
  delivery.offer(alert({ kind: "no_instance", subject: "demo", severity: "critical" }));
  await clock.advance(60_000);
  assert.equal(receiver.notices.length, 1);
  assert.equal(
    titleOf(receiver.notices[0]),
    "41 alerts: 40 Instance ejected, 1 Model without instances",
  );
  const [ejected, model] = textOf(receiver.notices[0]).split("\n");
  assert.match(ejected, /^Instance ejected: gpu-0, gpu-1, .*gpu-9 and 30 more \(/);
  assert.match(model, /^Model without instances: demo \(/);
});

Deno.test("alerts that keep coming are summed up once in each window", async () => {
  const receiver = new Receiver();
  const { clock, delivery } = stand(receiver);
  for (const one of instances(60)) {
    delivery.offer(one);
    await clock.advance(1000);
  }
  await clock.advance(60_000);
  const sizes = receiver.notices.map(({ alerts }) => alerts.length);
  assert.equal(sizes.reduce((sum, size) => sum + size, 0), 60, "none is lost");
  assert.ok(sizes.length <= 7, `60 alerts in ${sizes.length} messages`);
});

Deno.test("alerts wait no longer for a time of day that is set back", async () => {
  const receiver = new Receiver();
  const { clock, delivery } = stand(receiver);
  for (const one of instances(40)) delivery.offer(one);
  await clock.advance(1000);
  assert.equal(receiver.notices.length, 1);
  clock.setBack(3_600_000);
  delivery.offer(alert({ subject: "gpu-late" }));
  await clock.advance(31_000);
  assert.equal(receiver.notices.length, 2);
});

Deno.test("what was not taken is tried again, later each time, and told in the log only", async () => {
  const receiver = new Receiver();
  const { clock, delivery, failures } = stand(receiver);
  receiver.errors = [1, 2].map(() => new ChannelError("answered 503", true));
  delivery.offer(alert());
  await clock.advance(1000);
  assert.equal(receiver.attempts, 1);
  await clock.advance(1000);
  assert.equal(receiver.attempts, 2);
  await clock.advance(4000);
  assert.equal(receiver.attempts, 2);
  await clock.advance(1000);
  assert.equal(receiver.notices.length, 1);
  assert.deepEqual(failures.map(({ attempt, retryInS }) => [attempt, retryInS]), [[1, 1], [2, 5]]);
});

Deno.test("after five attempts a message is given up, and the next one has its own", async () => {
  const receiver = new Receiver();
  const { clock, delivery, failures } = stand(receiver);
  receiver.errors = Array.from({ length: 5 }, () => new Error("connection refused"));
  delivery.offer(alert());
  await clock.advance(600_000);
  assert.equal(receiver.attempts, 5);
  assert.equal(failures.at(-1)!.retryInS, null);
  delivery.offer(alert());
  await clock.advance(1000);
  assert.equal(receiver.notices.length, 1);
});

Deno.test("a service that says when is not asked before", async () => {
  const receiver = new Receiver();
  const { clock, delivery } = stand(receiver);
  receiver.errors = [new ChannelError("answered 429", true, 30)];
  delivery.offer(alert());
  await clock.advance(29_000);
  assert.equal(receiver.attempts, 1);
  await clock.advance(2000);
  assert.equal(receiver.notices.length, 1);
});

Deno.test("what a service refuses for good is not sent again", async () => {
  const receiver = new Receiver();
  const { clock, delivery, failures } = stand(receiver);
  receiver.errors = [new ChannelError("answered 404: no_service at /s3cret-path", false)];
  delivery.offer(alert());
  await clock.advance(600_000);
  assert.equal(receiver.attempts, 1);
  assert.deepEqual(failures, [{
    channel: "chat",
    reason: "answered 404: no_service at /********",
    attempt: 1,
    retryInS: null,
    alerts: 1,
  }]);
});

Deno.test("what waits while a channel fails comes as one summary, and a bound holds", async () => {
  const receiver = new Receiver();
  const { clock, delivery } = stand(receiver);
  receiver.errors = [new ChannelError("answered 503", true, 100)];
  delivery.offer(alert());
  await clock.advance(1000);
  for (const one of instances(2500)) delivery.offer(one);
  await clock.advance(200_000);
  assert.equal(receiver.notices.length, 2);
  const [, summary] = receiver.notices;
  assert.equal(summary.alerts.length, 1000);
  assert.equal(summary.left, 1500);
  assert.match(titleOf(summary), /^2500 alerts: /);
  assert.match(textOf(summary), /and 1500 more$/);
});

Deno.test("at the end what waits is sent at once", async () => {
  const receiver = new Receiver();
  const { clock, delivery } = stand(receiver);
  for (const one of instances(3)) delivery.offer(one);
  await clock.advance(1000);
  for (const one of instances(2)) delivery.offer(one);
  await delivery.close(10_000);
  assert.deepEqual(receiver.notices.map(({ alerts }) => alerts.length), [1, 1, 1, 2]);
  delivery.offer(alert());
  assert.equal(receiver.attempts, 4, "closed");
});

Deno.test("a channel that hangs does not hold up the end", async () => {
  let stopped = false;
  const hanging: Messenger = {
    secrets: [],
    deliver: (_notice, signal) =>
      new Promise(() => signal.addEventListener("abort", () => stopped = true)),
  };
  const { clock, delivery, failures } = stand(hanging);
  delivery.offer(alert());
  await clock.advance(1000);
  await delivery.close(20);
  assert.ok(stopped, "its connection is closed");
  assert.match(failures[0].reason, /stopping/);
});

Deno.test("a channel that hangs holds up no other, and nobody who raises an alert", async () => {
  await using hanging = listen(() => new Promise(() => {}));
  await using quick = listen(() => Promise.resolve(new Response("ok")));
  const clock = new FakeClock();
  const outlets = new Outlets(clock, "", () => {});
  outlets.configure({
    alerts: [hanging, quick].map(({ url }, index) => ({
      type: "slack",
      url,
      name: `slack-${index}`,
      min_severity: "info",
    })),
    alertRules: { summaryWindowS: 30 },
  });
  await outlets.send(alert());
  await clock.advance(1000);
  await quick.asked;
  await hanging.asked;
  await outlets.close(20);
});

Deno.test("a changed configuration keeps what waits in unchanged channels", async () => {
  const texts: string[] = [];
  await using server = listen(async (request) => {
    texts.push((await request.json()).text);
    return new Response("ok");
  });
  const clock = new FakeClock();
  const outlets = new Outlets(clock, "", () => {});
  const kept = { type: "slack", url: server.url, name: "a", min_severity: "info" } as const;
  const removed = { ...kept, name: "b" };
  const alertRules = { summaryWindowS: 30 };
  outlets.configure({ alerts: [kept, removed], alertRules });
  await outlets.send(alert());
  outlets.configure({ alerts: [{ ...kept }], alertRules });
  await outlets.send(alert({ subject: "gpu-2" }));
  await outlets.close(10_000);
  assert.equal(texts.filter((text) => text.includes("gpu-1")).length, 2);
  assert.equal(texts.filter((text) => text.includes("gpu-2")).length, 1);
});

Deno.test("whoever hears of a trouble hears of its end, and nobody else", () => {
  const ejected = { kinds: ["instance_ejected" as const], min_severity: "info" as const };
  assert.ok(wants(ejected, alert()));
  assert.ok(!wants(ejected, alert({ kind: "disk_low" })));
  assert.ok(wants(ejected, alert({ kind: "instance_recovered", resolved: true })));
  const critical = { kinds: undefined, min_severity: "critical" as const };
  assert.ok(!wants(critical, alert({ kind: "instance_recovered", resolved: true })));
  assert.ok(wants(critical, alert({ kind: "disk_low", resolved: true })));
});

function listen(answer: (request: Request) => Promise<Response>) {
  let heard: () => void = () => {};
  const asked = new Promise<void>((resolve) => heard = resolve);
  const stop = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, signal: stop.signal },
    (request) => {
      heard();
      return answer(request);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/hook`,
    asked,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
    },
  };
}
