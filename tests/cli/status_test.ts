// `status` against a running gateway: what it prints agrees with what was asked, and its exit code
// with the state of the fleet.

import assert from "node:assert/strict";
import { join } from "node:path";
import { areDecisions, isExplanation } from "../../lib/cli/explain/answers.ts";
import { explanation, trace } from "../../lib/cli/explain/table.ts";
import { isFleet } from "../../lib/cli/status/read.ts";
import { table } from "../../lib/cli/status/table.ts";
import type { FleetSnapshot } from "../../lib/dashboard/source.ts";
import type { Json } from "../../lib/json/json.ts";
import type { DecisionTaken } from "../../lib/process/pages/decisions.ts";
import type { ExplainAnswer } from "../../lib/server/explain.ts";
import { ROOT, startProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { startFleet } from "../faults/fleet.ts";

function command(...args: string[]) {
  return startProcess(Deno.execPath(), { args: ["run", "-A", join(ROOT, "main.ts"), ...args] });
}

async function ran(...args: string[]) {
  await using child = command(...args);
  const { code } = await child.status;
  return { code, out: child.stdout(), err: child.stderr() };
}

Deno.test("status shows each instance with the numbers of the requests it had", async () => {
  await using fleet = await startFleet({ fallbacks: 1 });
  for (let i = 0; i < 6; i++) await (await fleet.chat()).text();
  const { code, out, err } = await ran("status", "--url", `${fleet.gateway.url}/v1`);
  assert.equal(code, 0, err);
  const counts = await fleet.counts();
  const rows = out.split("\n").map((line) => line.trim().split(/\s{2,}/));
  for (const [index, name] of ["sim-0", "sim-1", "paid-0"].entries()) {
    const row = rows.find(([first]) => first === name)!;
    assert.equal(row[1], "healthy");
    assert.equal(row[7], String(counts[index]), `requests of ${name} in\n${out}`);
  }
  assert.match(out, /^all +ok /m);
  assert.match(out, /demo \(fallback\)$/m);
  const json = JSON.parse((await ran("status", "--url", fleet.gateway.url, "--json")).out);
  assert.equal(json.totals.requests, 6);
  // deno-lint-ignore no-explicit-any -- tests look into many shapes
  assert.deepEqual(json.instances.map((one: any) => one.requests), counts);
});

Deno.test("status tells of clients that were turned away before they had asked", async () => {
  await using fleet = await startFleet({
    config: { listener: "http1", max_connections_per_address: 2 },
  });
  const { port, url } = fleet.gateway;
  const quiet = await ran("status", "--url", url);
  assert.doesNotMatch(quiet.out, /turned away/);
  const open = () => Deno.connect({ hostname: "127.0.0.1", port });
  {
    using _one = await open();
    using _two = await open();
    using third = await open();
    await third.write(new TextEncoder().encode("GET /health HTTP/1.1\r\nhost: gateway\r\n\r\n"));
    const answer = new Uint8Array(64);
    const length = await third.read(answer);
    assert.match(new TextDecoder().decode(answer.subarray(0, length!)), /^HTTP\/1\.1 429 /);
  }
  let told = quiet;
  // Those of before may leave `status` no place, and its figures are those of the last second.
  await waitFor(async () => {
    told = await ran("status", "--url", url);
    return told.out.includes("turned away");
  }, () => told.out + told.err);
  assert.match(told.out, /; clients turned away: [1-9]\d* by max_connections_per_address$/m);
});

Deno.test("status exits with 2 when no instance can serve, with 1 when no gateway answers", async () => {
  const config = { health_check: { interval: 0.1, path: "/health", timeout: 1 } };
  await using fleet = await startFleet({ count: 1, config });
  await fleet.simulators.stop();
  await waitFor(async () => (await fleet.health()).instances[0].state === "down", "sim-0 down");
  const down = await ran("status", "--url", fleet.gateway.url);
  assert.equal(down.code, 2, down.err);
  assert.match(down.out, /sim-0 +down/);
  assert.match(down.out, /^No instance can serve$/m);
  assert.match(down.out, /^Clients get errors/m);
  assert.match(down.out, /- sim-0: down for \d+s, since \d{4}-.*refused/);
  assert.match(down.out, /see whether its server runs/);
  await fleet.gateway.stop();
  const gone = await ran("status", "--url", fleet.gateway.url);
  assert.equal(gone.code, 1);
  assert.match(gone.err, /no gateway answers at http:\/\/127\.0\.0\.1:\d+: .*refused/);
});

Deno.test("status sends the token, and says what a refusal said", async () => {
  await using fleet = await startFleet({ config: { admin: { enabled: false, token: "right" } } });
  const refused = await ran("status", "--url", fleet.gateway.url, "--token", "right");
  assert.equal(refused.code, 1);
  assert.match(refused.err, /answered 404: Not Found/);
  const usage = await ran("status", "--url", "ftp://localhost");
  assert.equal(usage.code, 2);
  assert.match(usage.err, /--url: expected one such as/);
});

Deno.test("what is no gateway is told in one line, and steers no terminal", async () => {
  const answers = [
    new Response("\x1b[2J", { status: 200 }),
    new Response("null", { status: 200 }),
    Response.json({}),
    Response.json({ instances: 1, steps: "two", decisions: [null] }),
    Response.json({ instances: [], steps: [{ detail: 1 }], decisions: [{ time: 7 }] }),
    Response.json({
      ...{ instances: [{ name: "gpu-1" }], totals: {}, records: {}, outlook: {}, steps: [null] },
      decisions: [{ time: "7", model: "m", instance: "", route: "" }],
      ...{ ok: true, note: { a: 1 }, gateways: 1, discovery: [7] },
    }),
    Response.json({ error: { message: "\x1b[2J\nlook" } }, { status: 500 }),
  ];
  let answer = answers[0];
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => answer.clone(),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const no = `${url} answered as no gateway does; --url names another`;
  const said = [no, no, no, no, no, no, `${url} answered 500:  [2J look`];
  for (const [at, one] of answers.entries()) {
    answer = one;
    for (
      const args of [["status"], ["ask", "gpu-1"], ["drain", "gpu-1"], ["explain", "--trace", "1"]]
    ) {
      const { code, out, err } = await ran(...args, "--url", url);
      assert.deepEqual([code, out, err], [1, "", `${said[at]}\n`], args[0]);
    }
  }
});

const ODD: unknown[] = [
  null,
  true,
  -1,
  "odd",
  "constructor",
  [],
  [null],
  {},
  { toString: 1 },
  undefined,
];

/** Each value within `json`, odd in all ways. */
function* odd(json: unknown): Generator<unknown> {
  if (typeof json !== "object" || json === null) return;
  for (const [name, value] of Object.entries(json)) {
    const with_ = (one: unknown): unknown =>
      Array.isArray(json) ? json.with(Number(name), one) : { ...json, [name]: one };
    for (const one of ODD) yield with_(one);
    for (const deeper of odd(value)) yield with_(deeper);
  }
}

Deno.test("an answer that is odd in any field is shown or told as no gateway's, whatever it is", async () => {
  await using fleet = await startFleet({
    config: {
      load_balancing_strategy: "prefix_aware",
      discovery: [{ type: "file", path: "nothing.json", model_name: "m" }],
      peers: { urls: ["http://127.0.0.1:2"], interval: 0.1, token: "t".repeat(40) },
    },
  });
  assert.equal((await (await fleet.chat()).json()).object, "chat.completion");
  const { url } = fleet.gateway;
  const read = async (target: string, body?: object) => {
    const post = { method: "POST", body: JSON.stringify(body) };
    const answer = await fetch(url + target, body === undefined ? {} : post);
    assert.equal(answer.status, 200, target);
    return await answer.json();
  };
  const messages = [{ role: "user", content: "hi" }];
  const model = (await read("/v1/models")).data[0].id;
  const shown: [unknown, (answer: Json) => boolean, (answer: Json) => string][] = [
    [
      { ...await read("/dashboard/api/fleet"), history: [] },
      isFleet,
      (answer) => table(answer as unknown as FleetSnapshot, true),
    ],
    [
      await read("/admin/decisions?last=1"),
      areDecisions,
      ({ decisions }) => trace(decisions as DecisionTaken[]),
    ],
    [
      await read("/admin/explain?path=/v1/chat/completions", { model, messages }),
      isExplanation,
      (answer) => explanation(answer as unknown as ExplainAnswer),
    ],
  ];
  for (const [answer, holds, show] of shown) {
    assert.ok(holds(answer as Json), JSON.stringify(answer));
    let told = 0;
    for (const one of odd(answer)) {
      // As it comes over the network.
      const read = JSON.parse(JSON.stringify(one));
      if (!holds(read)) told++;
      else assert.doesNotMatch(show(read), /undefined|\bNaN\b|Invalid|\[object|\bnull\b/);
    }
    assert.ok(told > 50, `${told} of them are no gateway's`);
  }
});

Deno.test("status --watch goes on until Ctrl-C", async () => {
  await using fleet = await startFleet();
  await using child = command("status", "--watch", "--url", fleet.gateway.url);
  await child.waitForOutput(/sim-1[^]*INSTANCE[^]*sim-1/);
  child.signal("SIGINT");
  assert.equal((await child.status).code, 0);
});
