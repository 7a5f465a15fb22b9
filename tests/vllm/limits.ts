// A full fleet, and clients that leave.

import { readSse } from "../support/sse.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { APIS, streamed } from "./apis.ts";
import type { Report } from "./report.ts";
import type { Server } from "./server.ts";

/** A burst on one server that takes two requests: whoever is refused hears of a full house, no failure. */
export async function overload(gateway: GatewayProcess, report: Report): Promise<void> {
  const chat = APIS[0];
  const statuses = await Promise.all(Array.from({ length: 12 }, async (_, number) => {
    const body = { ...streamed(chat, `Burst ${number}`, 0, 200), ignore_eos: true };
    const whole = { ...body, stream: false, stream_options: undefined };
    const response = await gateway.post(chat.path, number % 2 === 0 ? body : whole);
    const wait = response.headers.get("retry-after");
    if (response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const answer = await readSse(response);
      const told = answer.json.find(({ error }) => error)?.error;
      return told ? `event ${told.code}` : "200";
    }
    await response.body?.cancel();
    return `${response.status}${response.ok || wait ? "" : " without Retry-After"}`;
  }));
  const counted = new Map<string, number>();
  for (const status of statuses) counted.set(status, (counted.get(status) ?? 0) + 1);
  const told = [...counted].map(([status, count]) => `${count} x ${status}`).join(", ");
  report.notes.push(`12 requests at once on a server that takes two: ${told}`);
  for (const status of counted.keys()) {
    if (!["200", "429", "503"].includes(status)) report.failures.push(`overload: ${told}`);
  }
  const health = await (await fetch(`${gateway.url}/health`)).json();
  const errors = JSON.stringify(health).match(/"recent_errors":\s*(\d+)/)?.[1];
  if (errors !== undefined && errors !== "0") {
    report.failures.push(`overload: the full server has ${errors} recent errors`);
  }
}

/** A client that leaves stops its generation in each API, streamed and whole. */
export async function leaving(
  gateway: GatewayProcess,
  servers: readonly Server[],
  report: Report,
): Promise<void> {
  const running = async () => {
    const counts = await Promise.all(servers.map((one) => one.metric("num_requests_running")));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  let slowest = 0;
  for (const api of APIS) {
    for (const stream of [true, false]) {
      const leave = new AbortController();
      const body = { ...streamed(api, "Go on and on", 0, 1900), stream, ignore_eos: true };
      if (!stream) Object.assign(body, { stream_options: undefined });
      const answer = gateway.post(api.path, body, {
        signal: leave.signal,
      }).then((response) => response.text());
      const left = answer.then(() => "answered", (error) => String(error));
      await waitFor(async () => await running() > 0, `${api.name} to run`, 30_000);
      leave.abort();
      const begun = performance.now();
      try {
        await waitFor(async () => await running() === 0, `${api.name} to be given up`, 10_000);
      } catch (error) {
        report.failures.push(`leaving, ${stream ? "streamed" : "whole"}: ${error}`);
      }
      slowest = Math.max(slowest, performance.now() - begun);
      await left;
    }
  }
  report.notes.push(
    `8 clients left, streamed and whole, in four APIs: given up after ${
      Math.round(slowest)
    } ms at most`,
  );
}
