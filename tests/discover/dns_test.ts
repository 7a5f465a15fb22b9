// Discovery by a real name server: dnsmasq, whose names change, come in any order, and go.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mustBeNothing } from "../../lib/discover/dns_code.ts";
import { LACKS_DNSMASQ, NameServer } from "../support/dnsmasq.ts";
import { Heard } from "./heard.ts";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, ignore: LACKS_DNSMASQ });
}

const addresses = Array.from({ length: 64 }, (_, i) => `127.0.1.${i + 1}`);
const asked = { type: "dns", name: "vllm.test", port: 8000, interval: 0.05 };

test("case 37: shuffled answers, no answer, none with an address and no name change nothing of 64 instances", async () => {
  await using server = await NameServer.start();
  await server.set({ "vllm.test": addresses });
  await using heard = new Heard({ ...asked, server: server.address });
  const all = addresses.map((address) => `${address}:8000`);
  await heard.counts(...all);
  for (let round = 0; round < 5; round++) {
    await server.set({ "vllm.test": addresses.toSorted(() => Math.random() - 0.5) });
    await heard.answered(2);
  }
  // The name is there, its addresses are of another kind; then there is no such name.
  await server.set({ "vllm.test": ["fd00::1"], "other.test": addresses });
  await server.set({ "other.test": addresses });
  await heard.fails(/an answer without instances; the 64 of before stay/);
  await heard.answered(5);
  await server.stop();
  await heard.fails(/127\.0\.0\.1:\d+/);
  assert.equal(heard.state.found, 64);
  await server.write({ "vllm.test": addresses });
  await server.startAgain();
  await heard.answered(4);
  assert.equal(heard.state.error, null);
  // In between an IPv6 address may have been seen, beside all that were there.
  assert.deepEqual(
    heard.sets.map((set) => set.filter((one) => one.startsWith("127."))),
    heard.sets.map(() => all.toSorted()),
  );
});

test("an answer without instances is believed after its time", async () => {
  await using server = await NameServer.start();
  await server.set({ "vllm.test": ["127.0.1.1"] });
  await using heard = new Heard({ ...asked, server: server.address, keep_empty: 0.4 });
  await heard.counts("127.0.1.1:8000");
  await server.set({});
  await heard.fails(/the 1 of before stay/);
  await heard.counts();
  assert.equal(heard.sets.length, 2);
  assert.equal(heard.state.error, null);
});

test("a name server that will not say is no answer without instances", async () => {
  // Names of other domains it would have to ask for, and there is nobody to ask: it refuses.
  const names = { "a.example": ["127.0.1.1"], "b.example": ["127.0.1.2"], "c.test": ["127.0.1.3"] };
  await using server = await NameServer.start([
    "--srv-host=_vllm._tcp.test,a.example,8000",
    "--srv-host=_vllm._tcp.test,c.test,8000",
  ]);
  await server.set(names);
  const here = { ...asked, server: server.address, keep_empty: 0.1 };
  await using plain = new Heard({ ...here, name: "b.example" });
  await using services = new Heard({ ...here, name: "_vllm._tcp.test", srv: true });
  await plain.counts("127.0.1.2:8000");
  await services.counts("127.0.1.1:8000", "127.0.1.3:8000");
  await server.set({ "c.test": names["c.test"] });
  for (const heard of [plain, services]) {
    await heard.fails(/it answers REFUSED/);
    await heard.answered(5);
    assert.equal(heard.sets.length, 1);
  }
  await server.set(names);
  for (const heard of [plain, services]) {
    await heard.answered(2);
    assert.equal(heard.state.error, null);
  }
});

Deno.test("a name server that does not say why it has nothing is late, and no abort of ours", async () => {
  const socket = createSocket("udp4");
  try {
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const silent = { host: "127.0.0.1", port: socket.address().port };
    await assert.rejects(
      mustBeNothing("vllm.test", "A", silent, AbortSignal.timeout(50)),
      (error) => error instanceof DOMException && error.name === "TimeoutError",
    );
  } finally {
    socket.close();
  }
});

test("an address that is missing once stays, one that is missing for good goes", async () => {
  await using server = await NameServer.start();
  await server.set({ "vllm.test": ["127.0.1.1", "127.0.1.2"] });
  await using heard = new Heard({ ...asked, interval: 0.3, server: server.address });
  await heard.counts("127.0.1.1:8000", "127.0.1.2:8000");
  await server.set({ "vllm.test": ["127.0.1.2"] });
  await heard.answered();
  await server.set({ "vllm.test": ["127.0.1.1", "127.0.1.2", "127.0.1.3"] });
  await heard.counts("127.0.1.1:8000", "127.0.1.2:8000", "127.0.1.3:8000");
  await server.set({ "vllm.test": ["127.0.1.2", "127.0.1.3"] });
  await heard.counts("127.0.1.2:8000", "127.0.1.3:8000");
  assert.equal(heard.sets.length, 3);
});

test("IPv6 addresses count where there are no others, or where they are asked for", async () => {
  await using server = await NameServer.start();
  await server.set({ "six.test": ["fd00::1"], "vllm.test": ["127.0.1.1", "fd00::2"] });
  const here = { server: server.address };
  await using alone = new Heard({ ...asked, ...here, name: "six.test" });
  await using auto = new Heard({ ...asked, ...here });
  await using both = new Heard({ ...asked, ...here, family: "both" });
  await using six = new Heard({ ...asked, ...here, family: "ipv6" });
  await alone.counts("fd00::1:8000");
  await auto.counts("127.0.1.1:8000");
  await both.counts("127.0.1.1:8000", "fd00::2:8000");
  await six.counts("fd00::2:8000");
});

test("SRV records tell ports and weights, those of the first priority alone", async () => {
  await using server = await NameServer.start([
    "--srv-host=_vllm._tcp.test,a.test,8001,0,10",
    "--srv-host=_vllm._tcp.test,b.test,8002,0,30",
    "--srv-host=_vllm._tcp.test,c.test,8003,5,10",
  ]);
  await server.set({ "a.test": ["127.0.1.1"], "b.test": ["127.0.1.2"], "c.test": ["127.0.1.3"] });
  await using heard = new Heard({
    ...{ type: "dns", name: "_vllm._tcp.test", srv: true, interval: 0.05 },
    server: server.address,
  });
  await heard.counts("127.0.1.1:8001", "127.0.1.2:8002");
  assert.deepEqual(heard.targets[0].map(({ share }) => share), [0.5, 1.5]);
});
