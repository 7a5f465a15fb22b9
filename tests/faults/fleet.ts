// The stand of the scenarios: simulated instances, private ones and fallbacks, behind one gateway, and
// what each side saw of a request. Which fault is met and what is expected of it is left to the tests.

import assert from "node:assert/strict";
import { quietGatewayFor } from "../support/gateway_for.ts";
import {
  type GatewayConfig,
  type GatewayProcess,
  type SeenRequest,
  type Simulators,
  startGateway,
  startSimulators,
} from "../support/processes.ts";
import { type RecordLine, records } from "../support/records.ts";
import { waitFor } from "../support/wait.ts";

export interface FleetOptions {
  /** Private instances, named sim-0, sim-1 … (2). */
  count?: number;
  /** Fallback instances, named paid-0 … (0); they come after the private ones in every list. */
  fallbacks?: number;
  /** Further flags of `simulate`, the same for all. */
  simulate?: string[];
  /** Options of the config file. Active checks are off unless they are given. */
  config?: Record<string, unknown>;
  /** Environment of the gateway, beside what it inherits. */
  env?: Record<string, string>;
  /** How many files the gateway may have open (Linux). */
  maxFiles?: number;
  /** Options of one instance; `url` may lead through a proxy. */
  each?: (index: number, url: string) => Record<string, unknown>;
}

export interface Fleet extends AsyncDisposable {
  readonly simulators: Simulators;
  readonly gateway: GatewayProcess;
  /** A chat request to the gateway. */
  chat(more?: Record<string, unknown>, init?: RequestInit): Promise<Response>;
  /** What instance `index` was asked by the gateway; newest last. */
  asked(index: number): Promise<SeenRequest[]>;
  /** How often each instance was asked. */
  counts(): Promise<number[]>;
  /** Does `work` while all instances stand still: what runs there runs on until it is over. */
  frozen<T>(work: () => Promise<T>): Promise<T>;
  /** Waits for exactly `complete` and `incomplete` lines of records, and returns them. */
  records(complete: number, incomplete: number): Promise<{
    complete: RecordLine[];
    incomplete: RecordLine[];
  }>;
  /** Text of data/errors so far. */
  errorLog(): Promise<string>;
  /** Waits until no lease is open and nobody waits in line. */
  settled(): Promise<void>;
  health(): Promise<HealthReport>;
}

export interface HealthReport {
  waiting: number;
  instances: { name: string; state: string; in_flight: number; recent_errors: number }[];
}

/** The body of a chat request. */
export function chatBody(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    model: "demo",
    messages: [{ role: "user", content: "tell me something, please" }],
    max_tokens: 12,
    ...more,
  };
}

export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const count = options.count ?? 2;
  const simulators = await startSimulators({
    count: count + (options.fallbacks ?? 0),
    args: options.simulate,
  });
  const entry = (url: string, index: number) => ({
    url,
    model_name: "demo",
    name: index < count ? `sim-${index}` : `paid-${index - count}`,
    ...options.each?.(index, url),
  });
  const entries = simulators.urls.map(entry);
  let gateway: GatewayProcess;
  try {
    gateway = await startGateway({
      env: options.env,
      maxFiles: options.maxFiles,
      config: {
        instances: entries.slice(0, count),
        fallback_instances: entries.slice(count),
        health_check: false,
        retry: { max_wait: 0.2 },
        error_threshold: 1000,
        ...options.config,
      },
    });
  } catch (error) {
    await simulators[Symbol.asyncDispose]();
    throw error;
  }
  return fleetOf(simulators, gateway);
}

/** A gateway in front of `urls`, for instances that are no simulated ones. Named sim-0 … as well. */
export function startGatewayFor(
  urls: readonly string[],
  config: GatewayConfig = {},
): Promise<GatewayProcess> {
  return quietGatewayFor(urls.map((url, index) => ({ url, name: `sim-${index}` })), {
    error_threshold: 1000,
    ...config,
  });
}

function fleetOf(simulators: Simulators, gateway: GatewayProcess): Fleet {
  const asked = async (index: number) =>
    (await simulators.requests(index)).filter(({ method, path }) =>
      method === "POST" && !path.startsWith("/simulate/")
    );
  return {
    simulators,
    gateway,
    asked,
    chat: (more = {}, init = {}) => gateway.post("/v1/chat/completions", chatBody(more), init),
    counts: () => Promise.all(simulators.urls.map(async (_, index) => (await asked(index)).length)),
    async frozen(work) {
      simulators.process.signal("SIGSTOP");
      try {
        return await work();
      } finally {
        simulators.process.signal("SIGCONT");
      }
    },
    records: (complete, incomplete) => exactRecordsOf(gateway, complete, incomplete),
    errorLog: () => folderText(`${gateway.dataDir}/errors`),
    settled: () => settled(gateway),
    health: () => healthOf(gateway),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await simulators[Symbol.asyncDispose]();
    },
  };
}

export async function healthOf(gateway: GatewayProcess): Promise<HealthReport> {
  return JSON.parse((await gateway.health()).text);
}

/** Waits until no lease is open and nobody waits in line. */
export async function settled(gateway: GatewayProcess): Promise<void> {
  let health: HealthReport | null = null;
  await waitFor(async () => {
    health = await healthOf(gateway);
    return health.waiting === 0 && health.instances.every((one) => one.in_flight === 0);
  }, () => `all leases to be released: ${JSON.stringify(health)}`);
}

/** Waits for exactly so many lines of records of each kind, in the order in which their requests came. */
export async function exactRecordsOf(
  gateway: GatewayProcess,
  complete: number,
  incomplete: number,
) {
  const found = { complete: [] as RecordLine[], incomplete: [] as RecordLine[] };
  await waitFor(async () => {
    found.complete = await records(gateway);
    found.incomplete = await records(gateway, "incomplete");
    return found.complete.length >= complete && found.incomplete.length >= incomplete;
  }, () => `${complete} + ${incomplete} records; there are ${JSON.stringify(found)}`);
  // Two workers tell of their requests in any order.
  const startOf = ({ meta }: RecordLine) => String(meta.started_at);
  for (const some of Object.values(found)) {
    some.sort((a, b) => startOf(a).localeCompare(startOf(b)));
  }
  assert.equal(found.complete.length, complete, "lines in data/requests_responses");
  assert.equal(found.incomplete.length, incomplete, "lines in data/incomplete");
  return found;
}

/** Ends the gateway, which has written everything then, and looks for records: there is to be none. */
export async function assertNothingRecorded(gateway: GatewayProcess): Promise<void> {
  await gateway.stop();
  await exactRecordsOf(gateway, 0, 0);
}

async function folderText(folder: string): Promise<string> {
  let text = "";
  try {
    for await (const entry of Deno.readDir(folder)) {
      text += await Deno.readTextFile(`${folder}/${entry.name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return text;
}

/** The text of a chat answer that came whole. */
export async function contentOf(response: Response): Promise<string> {
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  const [choice] = body.choices;
  assert.ok(choice.finish_reason, "the answer has a finish reason");
  return choice.message.content;
}

/** The gateway's own error: OpenAI's shape with vLLM's types. */
export async function errorOf(
  response: Response,
  status: number,
  type: string,
): Promise<{ message: string; type: string; param: string | null; code: number }> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.equal(response.headers.get("content-type"), "application/json");
  const body = JSON.parse(text);
  assert.deepEqual(Object.keys(body), ["error"]);
  assert.deepEqual(Object.keys(body.error).sort(), ["code", "message", "param", "type"]);
  assert.equal(body.error.type, type);
  assert.equal(body.error.code, status);
  return body.error;
}
