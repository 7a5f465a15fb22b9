// The story of an incident as each view of the gateway tells it: dashboard, its page, `status`, /health, metrics,
// traces, event feed and error log. Nothing is compared here.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { AlertKind } from "../../lib/alert/alert.ts";
import { KINDS } from "../../lib/alert/kinds.ts";
import type { FeedEvent, FleetSnapshot } from "../../lib/dashboard/source.ts";
import type { Collector, Span } from "../support/collector.ts";
import { type GatewayProcess, ROOT, startProcess } from "../support/processes.ts";
import { parseMetrics } from "../support/prometheus.ts";
import { openPage, startBrowser } from "./browser.ts";
import { type Said, type Story, storyOfSingleAlerts, sums } from "./incident_story.ts";

/** Attempts that speak against their instance. */
const ERRORS: readonly unknown[] = ["failed", "broken", "unusable"];
/** Failures that send a request to the next instance. */
const PASSED_ON: readonly unknown[] = ["failed", "busy", "too_long"];

export async function fleetOf(gateway: GatewayProcess): Promise<FleetSnapshot> {
  return await jsonAt(`${gateway.url}/dashboard/api/fleet`) as FleetSnapshot;
}

/** As the command prints it. */
export async function statusOf(gateway: GatewayProcess): Promise<FleetSnapshot> {
  await using status = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), "status", "--json", "--url", gateway.url],
  });
  assert.equal((await status.status).code, 0, status.stderr());
  return JSON.parse(status.stdout());
}

/** Of the dashboard and `status`, which have the same form. */
export function storyOfFleet({ instances }: FleetSnapshot): Story {
  const of = (field: "requests" | "errors" | "prompt_tokens" | "completion_tokens") =>
    sums(instances, ({ name }) => name, (one) => one[field]);
  return {
    states: Object.fromEntries(instances.map(({ name, state }) => [name, state])),
    requests: of("requests"),
    errors: of("errors"),
    promptTokens: of("prompt_tokens"),
    completionTokens: of("completion_tokens"),
    fallbackUses: sums(
      instances.filter(({ fallback }) => fallback),
      ({ name }) => name,
      ({ requests }) => requests,
    ),
  };
}

/** As a person reads it: the table of the dashboard's page in a real browser. */
export async function storyOfPage(gateway: GatewayProcess): Promise<Story> {
  await using started = await startBrowser();
  const { page, complaints } = await openPage(started.browser, `${gateway.url}/dashboard`);
  await page.locator("tr[data-instance]").first().waitFor();
  const rows = await Promise.all(
    (await page.locator("tr[data-instance]").all()).map(async (row) => ({
      name: (await row.getAttribute("data-instance"))!,
      state: await row.locator(".chip").innerText(),
      requests: Number(await row.locator('td[data-label="Requests"]').innerText()),
      errors: Number(await row.locator('td[data-label="Errors"]').innerText()),
    })),
  );
  assert.deepEqual(complaints, []);
  return {
    states: Object.fromEntries(rows.map(({ name, state }) => [name, state])),
    requests: sums(rows, ({ name }) => name, ({ requests }) => requests),
    errors: sums(rows, ({ name }) => name, ({ errors }) => errors),
  };
}

export async function storyOfHealth(gateway: GatewayProcess): Promise<Story> {
  const { instances } = await jsonAt(`${gateway.url}/health`) as {
    instances: { name: string; state: string }[];
  };
  return { states: Object.fromEntries(instances.map(({ name, state }) => [name, state])) };
}

export async function storyOfMetrics(gateway: GatewayProcess): Promise<Story> {
  const found = parseMetrics(await (await fetch(`${gateway.url}/metrics`)).text());
  const by = (label: string, name: string, labels: Record<string, string> = {}) =>
    sums(found.lines(name, labels), (line) => line.labels[label], ({ value }) => value);
  const tries = found.lines("gateway_attempts_total");
  return {
    states: Object.fromEntries(
      found.lines("gateway_instance_state").map(({ labels }) => [labels.instance, labels.state]),
    ),
    requests: by("instance", "gateway_requests_total"),
    promptTokens: by("instance", "gateway_tokens_total", { type: "prompt" }),
    completionTokens: by("instance", "gateway_tokens_total", { type: "completion" }),
    attempts: by("instance", "gateway_attempts_total"),
    errors: sums(
      tries.filter(({ labels }) => ERRORS.includes(labels.outcome)),
      ({ labels }) => labels.instance,
      ({ value }) => value,
    ),
    failovers: by("instance", "gateway_failovers_total"),
    downs: by("instance", "gateway_downs_total"),
    recoveries: by("instance", "gateway_recoveries_total"),
    alerts: by("kind", "gateway_alerts_total"),
  };
}

/** Spans of requests that have ended; those of their attempts end before. */
export function requestSpans(collector: Collector): Span[] {
  return collector.spans().filter(({ kind }) => kind === 2);
}

/** `fallbacks`: names of the instances whose use is a fallback's, which spans do not say. */
export function storyOfTraces(collector: Collector, fallbacks: readonly string[]): Story {
  const requests = requestSpans(collector);
  const attempts = collector.spans().filter(({ kind }) => kind === 3);
  const answered = new Set(
    requests.filter(({ attributes }) => attributes["gateway.instance"]).map((span) => span.spanId),
  );
  const instance = ({ attributes }: Span) => String(attributes["gateway.instance"] ?? "none");
  const outcome = ({ attributes }: Span) => attributes["gateway.outcome"];
  const tokens = (name: string) =>
    sums(requests, instance, ({ attributes }) => Number(attributes[`gen_ai.usage.${name}`] ?? 0));
  return {
    requests: sums(requests, instance),
    promptTokens: tokens("input_tokens"),
    completionTokens: tokens("output_tokens"),
    attempts: sums(attempts, instance),
    errors: sums(attempts.filter((span) => ERRORS.includes(outcome(span))), instance),
    failovers: sums(
      attempts.filter((span) =>
        PASSED_ON.includes(outcome(span)) && answered.has(span.parentSpanId)
      ),
      instance,
    ),
    fallbackUses: sums(requests.filter((span) => fallbacks.includes(instance(span))), instance),
  };
}

export async function eventsOf(gateway: GatewayProcess): Promise<FeedEvent[]> {
  const { events } = await jsonAt(`${gateway.url}/dashboard/api/events`) as { events: FeedEvent[] };
  return events;
}

export function storyOfEvents(events: readonly FeedEvent[]): Story {
  return {
    ...storyOfSingleAlerts(events.flatMap(saidByEvent)),
    failovers: sums(
      events.filter(({ kind }) => kind === "failover"),
      ({ subject }) => subject,
      ({ count }) => count,
    ),
  };
}

/** Nothing for events that are no alerts. */
export function saidByEvent({ kind, subject, message, count }: FeedEvent): Said[] {
  const over = kind === "resolved";
  const about = over ? kindTitled(message.split(":")[0]) : kind;
  if (!(about in KINDS)) return [];
  return [{ kind: about as AlertKind, over, subjects: [subject], times: count }];
}

/** The kind of alert that people read as `title`. */
export function kindTitled(title: string): AlertKind {
  const found = Object.entries(KINDS).find(([, kind]) => kind.title === title);
  assert.ok(found, `a kind of alert called "${title}"`);
  return found[0] as AlertKind;
}

/** One for each line of data/errors. */
export async function saidByErrorLog(gateway: GatewayProcess): Promise<Said[]> {
  const said: Said[] = [];
  for await (const { name } of Deno.readDir(join(gateway.dataDir, "errors"))) {
    const text = await Deno.readTextFile(join(gateway.dataDir, "errors", name));
    for (const line of text.split("\n").slice(0, -1)) {
      const found = /^\S+ (\w+) instance=(\S+)( state=resolved)? count=/.exec(line);
      assert.ok(found, line);
      const [, kind, subject, over] = found;
      said.push({
        kind: kind as AlertKind,
        over: over !== undefined,
        subjects: [subject],
        times: 1,
      });
    }
  }
  return said;
}

async function jsonAt(url: string): Promise<unknown> {
  const response = await fetch(url);
  assert.equal(response.status, 200, url);
  return await response.json();
}
