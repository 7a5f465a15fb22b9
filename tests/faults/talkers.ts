// Two instances that answer with their names at once, until a test wants another thing, behind a gateway that
// knows how long that takes.

import assert from "node:assert/strict";
import { type GatewayConfig, type GatewayProcess, startGateway } from "../support/processes.ts";
import { oneOf, waitFor } from "../support/wait.ts";
import {
  chunk,
  completion,
  type OddCall,
  type OddServer,
  startOddServer,
  whole,
} from "./odd_server.ts";

export const HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
/** After twenty quick streams silence of two seconds is long. */
export const QUICK = 24;

export function stream(call: OddCall, text: string): void {
  call.write(HEAD + chunk({ role: "assistant", content: text }));
  call.write(chunk({}, "stop") + "data: [DONE]\n\n");
  call.end();
}

interface Talker extends AsyncDisposable {
  readonly server: OddServer;
  /** Calls to generate. */
  readonly asked: OddCall[];
  answer: (call: OddCall) => void;
}

/** Streams its name at once, until a test wants another thing. */
export async function talker(name: string): Promise<Talker> {
  const asked: OddCall[] = [];
  const server = await startOddServer((call) => {
    if (!call.text.startsWith("POST")) return call.write(whole("{}"));
    asked.push(call);
    self.answer(call);
  });
  const self: Talker = {
    server,
    asked,
    answer: (call) => stream(call, name),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
  return self;
}

const messages = [{ role: "user", content: "hello" }];

export async function ask(
  gateway: GatewayProcess,
  more: object = {},
  path = "/v1/chat/completions",
  init: RequestInit = {},
) {
  const begun = performance.now();
  const body = { model: "m", messages, stream: true, ...more };
  const answer = await gateway.post(path, body, init);
  const text = await answer.text();
  const seconds = (performance.now() - begun) / 1000;
  return { status: answer.status, name: answer.headers.get("x-gateway-instance"), text, seconds };
}

/** Two that have answered quick streams. */
export async function two(more: GatewayConfig = {}, each: object = {}) {
  const a = await talker("a");
  const b = await talker("b");
  const gateway = await startGateway({
    config: {
      instances: [a, b].map(({ server }, n) => ({
        url: server.url,
        model_name: "m",
        name: "ab"[n],
        ...each,
      })),
      health_check: false,
      workers: 1,
      ...more,
    },
  });
  for (let n = 0; n < QUICK; n++) assert.equal((await ask(gateway)).status, 200);
  a.asked.length = b.asked.length = 0;
  return {
    a,
    b,
    gateway,
    async [Symbol.asyncDispose]() {
      for (const one of [gateway, a, b]) await one[Symbol.asyncDispose]();
    },
  };
}

export async function settled(gateway: GatewayProcess): Promise<void> {
  await waitFor(async () => (await gateway.health()).inFlight.every((n) => n === 0), "no leases");
}

/** Nothing at all. */
export const mute = () => {};

/** What is usual, and what is too long for it, is told by time alone. */
export function timed(name: string, work: () => Promise<void>): void {
  Deno.test(name, () => oneOf(3, work));
}

/** A whole answer in these words. */
export function wholeAnswer(call: OddCall, text: string): void {
  call.write(whole(completion(text)));
  call.end();
}

export const WHOLE = { stream: false, max_tokens: 16 };
