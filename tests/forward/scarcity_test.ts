// What the system refuses the gateway is told apart from what an instance refuses, in every form in which
// a runtime says it.

import assert from "node:assert/strict";
import { Descriptors } from "../../lib/machine/descriptors.ts";
import { type Scarce, scarceIn, scarceInText } from "../../lib/machine/scarcity.ts";
import { FetchTransport } from "../../lib/forward/transport/fetch.ts";
import { Http1Transport } from "../../lib/forward/transport/http1.ts";
import { UpstreamError } from "../../lib/forward/transport.ts";
import { ScarcityWatch } from "../../lib/alert/scarcity_watch.ts";

const coded = (code: string, message = code) => Object.assign(new Error(message), { code });

Deno.test("files, ports and buffers are known by code and by text", () => {
  const codes: [string, Scarce | null][] = [
    ["EMFILE", "files"],
    ["ENFILE", "files"],
    ["EADDRNOTAVAIL", "ports"],
    ["ENOBUFS", "buffers"],
    ["ECONNREFUSED", null],
    ["ETIMEDOUT", null],
  ];
  for (const [code, what] of codes) assert.equal(scarceIn(coded(code)), what);
  const texts: [string, Scarce | null][] = [
    ["client error (Connect): tcp open error: Too many open files (os error 24)", "files"],
    ["Too many open files in system (os error 23)", "files"],
    ["tcp connect error: Cannot assign requested address (os error 99)", "ports"],
    ["tcp connect error: Can't assign requested address (os error 49)", "ports"],
    ["tcp connect error: No buffer space available (os error 105)", "buffers"],
    ["tcp connect error: Connection refused (os error 111)", null],
  ];
  for (const [text, what] of texts) assert.equal(scarceInText(text), what);
});

/** Asks over http1 with connections that fail as told; the fault of each. */
async function faults(
  descriptors: Descriptors,
  failures: (Error | null)[],
): Promise<(string | null)[]> {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("well", { headers: { connection: "close" } }),
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const transport = new Http1Transport((to) => {
    const failure = failures.shift();
    return failure ? Promise.reject(failure) : Deno.connect(to);
  }, descriptors);
  const found: (string | null)[] = [];
  for (let left = failures.length; left > 0; left--) {
    const call = transport.start({ method: "GET", url, headers: [], body: [], connectTimeoutS: 5 });
    try {
      await call.head;
      found.push(null);
      call.abort(new Error("enough"));
    } catch (error) {
      assert.ok(error instanceof UpstreamError);
      found.push(error.fault);
    }
  }
  transport.close();
  return found;
}

Deno.test("no port for an instance that was reached is the gateway's, for a strange address the instance's", async () => {
  const told: Scarce[] = [];
  const descriptors = new Descriptors((what) => told.push(what));
  const none = () => coded("EADDRNOTAVAIL", "Cannot assign requested address (os error 99)");
  assert.deepEqual(await faults(descriptors, [none(), null, none()]), ["other", null, "scarce"]);
  assert.deepEqual(told, ["ports"]);
});

Deno.test("a name that cannot be looked up for want of a file is no fault of the name", async () => {
  const lookup = () => new Error("failed to lookup address information: Name or service not known");
  assert.deepEqual(await faults(new Descriptors(() => {}), [lookup()]), ["dns"]);
  let isOut = false;
  const descriptors = new Descriptors(() => {}, {
    open: () => {
      if (isOut) throw coded("EMFILE");
      return 5;
    },
    close: () => isOut = true,
  });
  descriptors.hasRoom("instance");
  const transport = new FetchTransport(undefined, descriptors);
  const error = transport.explain(new Error("fetch failed (Connect): dns error: no"), "http://a");
  assert.equal(error.fault, "scarce");
  transport.close();
});

Deno.test("the alert says what to raise, once, and when it is over", () => {
  let now = 0;
  const said: string[] = [];
  const watch = new ScarcityWatch({
    raise: (kind, subject, message) => said.push(`${kind} ${subject}: ${message}`),
    end: (kind, subject) => said.push(`end of ${kind} ${subject}`),
    isActive: () => true,
  }, () => now);
  for (; now < 30_000; now += 500) {
    watch.note("ports");
    watch.tick();
  }
  for (; now < 60_000; now += 500) watch.tick();
  assert.equal(said.length, 2, said.join("\n"));
  assert.match(said[0], /^system_limit ports: .*ip_local_port_range/);
  assert.equal(said[1], "end of system_limit ports");
});
