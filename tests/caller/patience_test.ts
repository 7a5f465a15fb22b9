// Answers that are waited for, of which some come in time.

import assert from "node:assert/strict";
import { Patience } from "../../lib/caller/shared/patience.ts";
import { within } from "../support/wait.ts";

const late = () => new Error("late");

function answer<T>() {
  return Promise.withResolvers<T>();
}

Deno.test("an answer in time is given on, whether it is good or a fault", async () => {
  const patience = new Patience(60_000, late);
  const [good, bad] = [answer<number>(), answer<number>()];
  const waits = [patience.wait(good.promise), patience.wait(bad.promise)];
  good.resolve(7);
  bad.reject(new Error("no"));
  assert.equal(await waits[0], 7);
  await assert.rejects(waits[1], /^Error: no$/);
  patience.close();
});

Deno.test("each is waited for as long as every other, whenever it was asked", async () => {
  const patience = new Patience(60, late);
  const began: number[] = [];
  const ended = await Promise.all(Array.from({ length: 5 }, async (_, index) => {
    await new Promise((resolve) => setTimeout(resolve, index * 17));
    began[index] = performance.now();
    await assert.rejects(within(patience.wait(answer().promise), "its end"), /^Error: late$/);
    return performance.now();
  }));
  ended.forEach((at, index) => assert.ok(at - began[index] >= 59, `${at - began[index]} ms`));
  patience.close();
});

Deno.test("what comes late is nobody's, and throws nowhere", async () => {
  const patience = new Patience(5, late);
  const [good, bad] = [answer<number>(), answer<number>()];
  const waits = [patience.wait(good.promise), patience.wait(bad.promise)];
  for (const wait of waits) await assert.rejects(wait, /late/);
  good.resolve(7);
  bad.reject(new Error("no"));
  await new Promise((resolve) => setTimeout(resolve, 0));
  patience.close();
});

Deno.test("an answer that has come while nothing could look is not late", async () => {
  const patience = new Patience(20, late);
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = server.accept();
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
  const other = await accepted;
  const reading = patience.wait(conn.read(new Uint8Array(8)));
  await other.write(new Uint8Array(3));
  const until = performance.now() + 80;
  while (performance.now() < until);
  assert.equal(await reading, 3);
  for (const one of [conn, other, server]) one.close();
  patience.close();
});

Deno.test("nor is one that comes between two looks that were both late", async () => {
  const patience = new Patience(20, late);
  const { promise, resolve } = answer<number>();
  const stand = (ms: number) => {
    const until = performance.now() + ms;
    while (performance.now() < until);
  };
  const waited = patience.wait(promise);
  setTimeout(() => stand(60), 5);
  // Between the first look and the second.
  setTimeout(() => {
    stand(60);
    setTimeout(() => resolve(7), 0);
  }, 25);
  assert.equal(await waited, 7);
  patience.close();
});

Deno.test("closing ends all waits", async () => {
  const patience = new Patience(60_000, late);
  const wait = patience.wait(answer().promise);
  patience.close();
  await assert.rejects(wait, /late/);
});
