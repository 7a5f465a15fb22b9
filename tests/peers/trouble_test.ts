// Several gateways, of which some are busy, paused, of another version, or strangers. Numbers are those of the
// edge cases in docs/decisions/peers.md.

import assert from "node:assert/strict";
import { join } from "node:path";
import { decodeNote, FORM } from "../../lib/peers/note.ts";
import { ROOT, startGateway, startSimulators } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { by, chat, followsNotes, instanceOf, names } from "./by_prompts.ts";
import { fleetOf, hears, hearsMore, metric, startTogether, TOKEN } from "./gateways.ts";

Deno.test("with two workers a prompt goes where another gateway has sent its beginning", () =>
  followsNotes(2));

Deno.test("what another gateway could not be told it is told later", async () => {
  await using simulators = await startSimulators({ count: 1, args: ["--model", "m"] });
  const missed = new Set<number>();
  const told = new Set<number>();
  let answers = false;
  const end = new AbortController();
  const other = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, signal: end.signal },
    async (request) => {
      const note = decodeNote(await request.text());
      assert(typeof note !== "string", `a note that is ${note}`);
      for (const { hashes } of note.sent) {
        for (const hash of hashes) (answers ? told : missed).add(hash);
      }
      return answers ? new Response() : await new Promise<never>(() => {});
    },
  );
  try {
    const peers = { urls: [`http://127.0.0.1:${other.addr.port}`], token: TOKEN };
    await using gateway = await startGateway({ config: by(simulators.urls, { peers }) });
    for (const name of names) await instanceOf(gateway, name);
    await waitFor(
      async () => missed.size > 0 && await metric(gateway, "gateway_peer_failures_total") >= 2,
      "notes in vain",
    );
    answers = true;
    await waitFor(() => missed.isSubsetOf(told), () => `${missed.size} words, not ${told.size}`);
  } finally {
    end.abort();
  }
});

Deno.test("requests of another gateway count where they are, while it is heard of", async () => {
  await using simulators = await startSimulators({
    count: 2,
    args: ["--model", "m", "--tokens-per-second", "2"],
  });
  const [busy, idle] = simulators.urls;
  await using together = await startTogether([by([busy]), by([busy, idle])], { stale_after: 1 });
  const [first, second] = together.gateways;
  const leave = new AbortController();
  const streams = await Promise.all(
    names.map((name) =>
      first.post("/v1/chat/completions", { ...chat(name), stream: true, max_tokens: 200 }, {
        signal: leave.signal,
      })
    ),
  );
  await hearsMore(second);
  const explained = async () => {
    const answer = await second.post("/admin/explain", chat("zebra"));
    const { instances } = await answer.json();
    return instances.find(({ instance }: { instance: string }) => instance === new URL(busy).host)
      .weighed;
  };
  let others = 0;
  await waitFor(
    async () => (others = (await explained()).others) === names.length,
    () => `${names.length} requests of the other, not ${others}`,
  );
  first.signal("SIGSTOP");
  await hears(second, 0);
  assert.equal((await explained()).others, 0);
  first.signal("SIGCONT");
  leave.abort();
  for (const stream of streams) await stream.body?.cancel().catch(() => {});
});

Deno.test("case 34: one is paused, one is of another version, one has another token: the others neither wait nor err", async () => {
  await using simulators = await startSimulators({ count: 2, args: ["--model", "m"] });
  const config = by(simulators.urls);
  await using together = await startTogether([config, config, config], { stale_after: 1 });
  const [first, second, third] = together.gateways;
  await using stranger = await startGateway({
    config: { ...config, peers: { urls: [first.url], token: "another-token-than-theirs" } },
  });
  const other = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(null, { status: 426 }),
  );
  const urls = [first.url, second.url, third.url, `http://127.0.0.1:${other.addr.port}`];
  await first.writeConfig({ ...config, peers: { urls, token: TOKEN, stale_after: 1 } });
  await waitFor(
    () => /it is of another version/.test(first.output()),
    "the word of another version",
  );
  const foreign = await first.post("/admin/peers", { form: `${FORM}0` }, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  assert.equal(foreign.status, 426, await foreign.text());
  third.signal("SIGSTOP");
  await hears(first, 1);
  const failures = async () =>
    await metric(first, "gateway_peer_failures_total") +
    await metric(second, "gateway_peer_failures_total");
  const before = await failures();
  const REQUESTS = 200;
  for (let at = 0; at < REQUESTS; at++) {
    await instanceOf(at % 2 === 0 ? first : second, `${names[at % names.length]} ${at}`);
  }
  // Who waits for one that is paused waits until a note to it has failed.
  const failed = await failures() - before;
  assert.ok(
    failed <= REQUESTS / 10,
    `nine of ten without a wait; ${failed} notes failed meanwhile`,
  );
  const refused = (reason: string) =>
    metric(first, `gateway_peer_refused_total{reason="${reason}"}`);
  await waitFor(
    async () => await refused("token") > 0 && await refused("form") > 0,
    "the stranger's notes to be counted, and those of the other version",
  );
  assert.equal(await refused("form"), 1);
  await waitFor(() => /it refuses the token/.test(stranger.output()), () => stranger.output());
  third.signal("SIGCONT");
  await hears(first, 2);
  await hears(third, 2);
  await other.shutdown();
});

Deno.test("case 35: clocks that differ by an hour change nothing", async () => {
  await using simulators = await startSimulators({ count: 2, args: ["--model", "m"] });
  const peers = { token: TOKEN };
  const main = join(ROOT, "tests/peers/late_clock_main.ts");
  const config = by(simulators.urls);
  await using ahead = await startGateway({ config: by(simulators.urls.slice(1)), main });
  await using usual = await startGateway({ config });
  await ahead.writeConfig({
    ...by(simulators.urls.slice(1)),
    peers: { ...peers, urls: [usual.url] },
  });
  await usual.writeConfig({ ...config, peers: { ...peers, urls: [ahead.url] } });
  await hears(usual, 1);
  await hears(ahead, 1);
  const { time } = await fleetOf(ahead);
  assert.ok(Date.parse(time) - Date.now() > 3_500_000, "its clock is ahead");
  for (const name of names) await instanceOf(ahead, name);
  await hearsMore(usual);
  for (const name of names) {
    assert.equal(await instanceOf(usual, name), `127.0.0.1:${simulators.ports[1]}`);
  }
});
