// One incident from begin to end: an instance is killed, one hangs, the engine of the last one dies, the
// fallback serves, all come back. Dashboard, metrics, traces, the receiver of each alert channel, event
// feed and `status`, and with them /health and the error log, must tell the same story with the same
// numbers.

import assert from "node:assert/strict";
import { chatBody, settled } from "../faults/fleet.ts";
import { hasOpenssl } from "../support/certificates.ts";
import { type Collector, startCollector } from "../support/collector.ts";
import { type GatewayProcess, startGateway, startSimulators } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { browserPath } from "./browser.ts";
import { type Channels, startChannels } from "./incident_channels.ts";
import {
  assertAgree,
  countOf,
  type Story,
  storyOfAlerts,
  storyOfSingleAlerts,
  sums,
} from "./incident_story.ts";
import {
  eventsOf,
  fleetOf,
  requestSpans,
  saidByErrorLog,
  saidByEvent,
  statusOf,
  storyOfEvents,
  storyOfFleet,
  storyOfHealth,
  storyOfMetrics,
  storyOfPage,
  storyOfTraces,
} from "./incident_views.ts";
import { freePort } from "../support/ports.ts";

const FALLBACK = "paid";

Deno.test("an incident reads the same in every view and every alert channel", async () => {
  await using collector = startCollector();
  // The mail server's certificate is made with openssl; without it the other channels are compared.
  await using channels = await startChannels(await hasOpenssl());
  await using first = await startSimulators({ args: ["--port", String(freePort())] });
  await using second = await startSimulators();
  await using third = await startSimulators();
  await using paid = await startSimulators();
  const entry = (name: string, url: string) => ({ name, url, model_name: "demo" });
  await using gateway = await startGateway({
    env: collector.env,
    config: {
      health_check: { interval: 0.2, path: "/health", timeout: 2 },
      timeouts: { connect: 1, first_byte: 2 },
      slow_start: 0,
      alert_cooldown: 0,
      alert_rules: { window: 3, summary_window: 0, disk_free_bytes: 0 },
      alerts: Object.values(channels.all).map(({ config }) => config),
      instances: [
        entry("killed", first.urls[0]),
        entry("hangs", second.urls[0]),
        entry("dies", third.urls[0]),
      ],
      fallback_instances: [entry(FALLBACK, paid.urls[0])],
    },
  });
  const answers: Answer[] = [];
  const chat = async () => {
    const response = await gateway.post("/v1/chat/completions", chatBody());
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    const instance = response.headers.get("x-gateway-instance")!;
    answers.push({ instance, ...body.usage });
    return instance;
  };
  const becomes = (name: string, state: string) =>
    waitFor(
      async () => storyOfFleet(await fleetOf(gateway)).states![name] === state,
      `${name} to be ${state}`,
    );

  for (let i = 0; i < 6; i++) await chat();
  await first.process.kill();
  for (let i = 0; i < 3; i++) assert.notEqual(await chat(), "killed");
  await becomes("killed", "down");
  for (let i = 0; i < 4; i++) assert.notEqual(await chat(), "killed");
  second.process.signal("SIGSTOP");
  for (let i = 0; i < 2; i++) assert.equal(await chat(), "dies");
  await becomes("hangs", "down");
  for (let i = 0; i < 3; i++) assert.equal(await chat(), "dies");
  assert.equal((await fleetOf(gateway)).status, "degraded");
  await third.fail(0, "engine-dead");
  assert.equal(await chat(), FALLBACK);
  await becomes("dies", "down");
  for (let i = 0; i < 3; i++) assert.equal(await chat(), FALLBACK);
  second.process.signal("SIGCONT");
  await becomes("hangs", "healthy");
  assert.equal(await chat(), "hangs");
  await third.reset(0);
  await using again = await startSimulators({ args: ["--port", String(first.ports[0])] });
  assert.deepEqual(again.ports, first.ports);
  for (const name of ["dies", "killed"]) await becomes(name, "healthy");
  for (let i = 0; i < 3; i++) assert.notEqual(await chat(), FALLBACK);

  await toldInFull(gateway, collector, channels, answers.length);
  const views = await viewsOf(gateway, collector, channels);
  assertAgree({ clients: storyOfClients(answers), ...views });
  const { events } = views;
  assert.deepEqual(events.downs, { killed: 1, hangs: 1, dies: 1 });
  assert.deepEqual(events.recoveries, { killed: 1, hangs: 1, dies: 1 });
  assert.deepEqual(events.fallbackUses, { [FALLBACK]: 4 });
  assert.ok(events.ends!.fallback_in_use, "the fallback's use was told to be over");
  assert.notDeepEqual(events.failovers, {}, "some requests had to be sent again");
  const { status, totals } = await fleetOf(gateway);
  assert.deepEqual([status, totals.requests, totals.errors], ["ok", answers.length, 0]);
});

/** What a client saw of one request. */
interface Answer {
  instance: string;
  prompt_tokens: number;
  completion_tokens: number;
}

function storyOfClients(answers: readonly Answer[]): Story {
  const instance = (answer: Answer) => answer.instance;
  return {
    requests: sums(answers, instance),
    promptTokens: sums(answers, instance, (answer) => answer.prompt_tokens),
    completionTokens: sums(answers, instance, (answer) => answer.completion_tokens),
    fallbackUses: sums(answers.filter((answer) => answer.instance === FALLBACK), instance),
  };
}

/** Waits until the fallback is no longer in use, and everybody has heard of everything. */
async function toldInFull(
  gateway: GatewayProcess,
  collector: Collector,
  { all }: Channels,
  chats: number,
): Promise<void> {
  await settled(gateway);
  await waitFor(
    async () =>
      (await eventsOf(gateway)).flatMap(saidByEvent)
        .some(({ kind, over }) => kind === "fallback_in_use" && over),
    "the end of the fallback's use",
  );
  await waitFor(
    async () => (await fleetOf(gateway)).totals.requests === chats,
    `${chats} requests on the dashboard`,
  );
  await waitFor(
    () => requestSpans(collector).length === chats,
    () => `${chats} spans of requests; there are ${requestSpans(collector).length}`,
  );
  const alerts = countOf((await eventsOf(gateway)).flatMap(saidByEvent));
  await waitFor(
    async () => countOf(await saidByErrorLog(gateway)) === alerts,
    `${alerts} alerts in the error log`,
  );
  for (const [name, channel] of Object.entries(all)) {
    await waitFor(
      () => countOf(channel.said()) === alerts,
      () => `${alerts} alerts at ${name}; there are ${JSON.stringify(channel.said())}`,
    );
  }
}

async function viewsOf(
  gateway: GatewayProcess,
  collector: Collector,
  { all: { webhook, ...others } }: Channels,
) {
  const texts: Record<string, Story> = {};
  for (const [name, channel] of Object.entries(others)) texts[name] = storyOfAlerts(channel.said());
  return {
    events: storyOfEvents(await eventsOf(gateway)),
    dashboard: storyOfFleet(await fleetOf(gateway)),
    status: storyOfFleet(await statusOf(gateway)),
    health: await storyOfHealth(gateway),
    metrics: await storyOfMetrics(gateway),
    traces: storyOfTraces(collector, [FALLBACK]),
    log: storyOfSingleAlerts(await saidByErrorLog(gateway)),
    webhook: storyOfSingleAlerts(webhook.said()),
    ...texts,
    // Without a browser the other views are compared; CI has one.
    ...browserPath() === null && Deno.env.get("CI") === undefined
      ? {}
      : { page: await storyOfPage(gateway) },
  };
}
