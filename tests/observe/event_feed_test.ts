// The list of what happened: lib/observe/event_feed.ts by itself.

import assert from "node:assert/strict";
import { EventFeed, type FeedEvent } from "../../lib/observe/event_feed.ts";

function feedAt(start = "2026-01-31T12:00:00Z") {
  let now = Date.parse(start);
  const feed = new EventFeed(() => new Date(now));
  return { feed, wait: (seconds: number) => void (now += seconds * 1000) };
}

Deno.test("what repeats within a minute is one event that counts on", () => {
  const { feed, wait } = feedAt();
  feed.add("failover", "warning", "gpu-1", "refused");
  wait(30);
  feed.add("failover", "warning", "gpu-2", "refused");
  feed.add("failover", "warning", "gpu-1", "reset", 2);
  assert.deepEqual(
    feed.events.map(({ id, subject, message, count }) => [id, subject, message, count]),
    [[2, "gpu-2", "refused", 1], [1, "gpu-1", "reset", 3]],
  );
  const lasting = feed.events.at(-1)!;
  assert.equal(Date.parse(lasting.time) - Date.parse(lasting.since), 30_000);
  wait(61);
  feed.add("failover", "warning", "gpu-1", "refused");
  assert.deepEqual(feed.events.map(({ id }) => id), [2, 1, 3]);
});

Deno.test("what somebody did has its own time, however soon it is done again", () => {
  const { feed, wait } = feedAt();
  feed.add("reload", "info", "configuration", "a mistake");
  feed.add("instance_misconfigured", "bad", "gpu-1", "refuses the key");
  wait(10);
  feed.add("reload", "info", "configuration", "mended");
  assert.deepEqual(feed.events.map(({ message }) => message), [
    "a mistake",
    "refuses the key",
    "mended",
  ]);
});

Deno.test("listeners hear each event until they stop", () => {
  const { feed } = feedAt();
  const heard: FeedEvent[] = [];
  const stop = feed.listen((event) => heard.push(event));
  feed.add("reload", "info", "configuration", "2 instances");
  stop();
  feed.add("reload", "info", "configuration", "3 instances");
  assert.deepEqual(heard.map(({ message }) => message), ["2 instances"]);
});

Deno.test("the newest five hundred are kept", () => {
  const { feed } = feedAt();
  for (let i = 0; i < 600; i++) feed.add("failover", "warning", `gpu-${i}`, "refused");
  assert.equal(feed.events.length, 500);
  assert.equal(feed.events.at(-1)?.subject, "gpu-599");
});
