// What becomes of gateways' connections to their server when another one takes over at its address, and the one
// before goes on as its replica, without closing a connection.

import assert from "node:assert/strict";
import { SharedStore } from "../../lib/caller/shared/store.ts";
import type { SharedStateConfig } from "../../lib/config/access.ts";
import type { Note } from "../../lib/peers/note.ts";
import { SharedWay } from "../../lib/peers/shared.ts";
import { startFaultProxy } from "../support/fault_proxy.ts";
import { RedisServer, testWithRedis as test } from "../support/redis_server.ts";
import { waitFor } from "../support/wait.ts";

const config = (url: string): SharedStateConfig => ({
  ...{ url, prefix: "sag", timeoutS: 5, whenDown: "local" },
});

const noteOf = (id: string): Note => ({
  ...{ id, name: id, number: 1, loads: [], sent: [], kept: [], sessions: [] },
  isLast: false,
  figures: {
    ...{ version: "1.0.0", uptime_seconds: 1, in_flight: 0, waiting: 0, requests: 0, errors: 0 },
    ...{ requests_per_second: 0, tokens_per_second: 0 },
  },
});

/** Two servers, and an address that leads to the first until the second takes over. */
async function pair() {
  const first = await RedisServer.start();
  const second = await RedisServer.start();
  const target = { port: first.port };
  const proxy = await startFaultProxy(target);
  return {
    address: `redis://127.0.0.1:${proxy.port}`,
    second,
    async failOver() {
      target.port = second.port;
      await first.ask("replicaof", "127.0.0.1", second.port);
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
    },
  };
}

function wayTo(url: string, heard: string[] = []) {
  const way = new SharedWay(config(url), null, {
    onFailure() {},
    onWord() {},
    onNote: (text) => void heard.push(text ?? ""),
  });
  return {
    way,
    heard,
    open: () => waitFor(() => way.isOpen, "the way to be open"),
    [Symbol.asyncDispose]: () => way.close(noteOf("last")),
  };
}

test("a gateway that stayed at a server that is the master no more is heard at the new one", async () => {
  await using servers = await pair();
  await using stays = wayTo(servers.address);
  await using comes = wayTo(servers.second.url);
  await Promise.all([stays.open(), comes.open()]);
  await servers.failOver();
  await waitFor(
    () => {
      stays.way.send(noteOf("stays"));
      return comes.heard.some((text) => text.includes("stays"));
    },
    "the new server's gateways to hear it",
    15_000,
  );
  // And it hears them.
  await waitFor(
    () => {
      comes.way.send(noteOf("comes"));
      return stays.heard.some((text) => text.includes("comes"));
    },
    "it to hear them",
    15_000,
  );
});

test("limits are counted by the new server, too, and none is written to the one before", async () => {
  await using servers = await pair();
  const store = new SharedStore(config(servers.address), { onChange() {} });
  try {
    await waitFor(() => store.isUp, "the store to be up");
    await servers.failOver();
    const present = () => store.run("present", [store.name("hosts")], ["host", 10_000]);
    await waitFor(() => present().then(() => true, () => false), "it to be written again");
    assert.equal(await servers.second.ask("exists", store.name("hosts")), 1);
  } finally {
    await store.close();
  }
});
