// The live feed by itself: what viewers cost, and what a slow one misses.

import assert from "node:assert/strict";
import { LiveFeed, MAX_VIEWERS } from "../../lib/dashboard/live.ts";
import type { DashboardSource, FeedEvent, Watcher } from "../../lib/dashboard/source.ts";

const text = new TextDecoder();

/** A source that counts what it is asked. */
function fakeSource() {
  const watchers = new Set<Watcher>();
  const asked = { snapshots: 0, histories: 0 };
  const source = {
    snapshot: () => ({ tick: ++asked.snapshots }),
    history: () => ({ history: ++asked.histories }),
    events: () => [],
    watch(watcher: Watcher) {
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
  } as unknown as DashboardSource;
  return { source, asked, watchers };
}

const event = (id: number) => ({ id, kind: "failover" }) as unknown as FeedEvent;

/** Reads frames until there is none at once. */
async function readAll(iterator: AsyncIterator<Uint8Array>, count: number): Promise<string[]> {
  const frames: string[] = [];
  for (let i = 0; i < count; i++) frames.push(text.decode((await iterator.next()).value));
  return frames;
}

Deno.test("fifty viewers cost one snapshot a second", async () => {
  const { source, asked, watchers } = fakeSource();
  const feed = new LiveFeed(source);
  const viewers = Array.from({ length: 50 }, () => feed.open()![Symbol.asyncIterator]());
  for (const viewer of viewers) await viewer.next();
  assert.equal(watchers.size, 1);
  const before = asked.snapshots;
  for (let tick = 0; tick < 3; tick++) {
    for (const watcher of watchers) watcher.tick();
    const frames = await Promise.all(viewers.map(async (one) => (await one.next()).value));
    assert.equal(new Set(frames).size, 1, "the same bytes for all");
  }
  assert.equal(asked.snapshots - before, 3);
  assert.equal(feed.encoded, 3);
  for (const viewer of viewers) await viewer.return?.();
  assert.equal(feed.viewers, 0);
  assert.equal(watchers.size, 0, "nothing is computed for nobody");
});

Deno.test("a slow viewer misses snapshots and no event", async () => {
  const { source, watchers } = fakeSource();
  const viewer = new LiveFeed(source).open()![Symbol.asyncIterator]();
  const [watcher] = watchers;
  for (let id = 1; id <= 5; id++) {
    watcher.tick();
    watcher.event(event(id));
  }
  const frames = await readAll(viewer, 7);
  assert.match(frames[0], /^event: begin\n/);
  assert.deepEqual(
    frames.slice(1, 6).map((frame) => /"id":(\d)/.exec(frame)?.[1]),
    ["1", "2", "3", "4", "5"],
  );
  assert.match(frames[6], /^event: snapshot\ndata: {"tick":6}\n\n$/);
  await viewer.return?.();
});

Deno.test("a viewer that leaves settles the read that waits", async () => {
  const { source } = fakeSource();
  const viewer = new LiveFeed(source).open()![Symbol.asyncIterator]();
  await viewer.next();
  const waiting = viewer.next();
  await viewer.return?.();
  assert.deepEqual(await waiting, { done: true, value: undefined });
});

Deno.test("a closed feed ends its viewers and takes no more", async () => {
  const { source } = fakeSource();
  const feed = new LiveFeed(source);
  const viewer = feed.open()![Symbol.asyncIterator]();
  await viewer.next();
  feed.close();
  assert.equal((await viewer.next()).done, true);
  assert.equal(feed.open(), null);
});

Deno.test("there is room for so many viewers and no more", () => {
  const { source } = fakeSource();
  const feed = new LiveFeed(source);
  for (let i = 0; i < MAX_VIEWERS; i++) assert.notEqual(feed.open(), null);
  assert.equal(feed.open(), null);
  feed.close();
});
