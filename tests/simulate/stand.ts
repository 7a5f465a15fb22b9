// What the tests of the simulated instances share: one instance in the test's own process.

import { type SimulateOptions, startSimulated } from "../../lib/simulate/instance.ts";
import { readSse, type SseAnswer } from "../support/sse.ts";
import type { SeenRequest } from "../support/processes.ts";

// deno-lint-ignore no-explicit-any -- tests look into many shapes
export type Any = any;

export interface Stand extends AsyncDisposable {
  readonly origin: string;
  readonly port: number;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Posts and parses the answer, which has to be 200. */
  json(path: string, body: unknown, headers?: Record<string, string>): Promise<Any>;
  /** Posts and reads the answer's events. */
  stream(path: string, body: unknown, headers?: Record<string, string>): Promise<SseAnswer>;
  get(path: string): Promise<Any>;
  requests(): Promise<SeenRequest[]>;
  /** The value of a metric, by the beginning of its line. */
  metric(start: string): Promise<number>;
}

/** Starts an instance that answers at once. */
export async function stand(options: SimulateOptions = {}): Promise<Stand> {
  const instance = await startSimulated({ ttftS: 0, tokensPerSecond: 0, ...options });
  const origin = new URL(instance.url).origin;
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(origin + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  const get = async (path: string) => await (await fetch(origin + path)).json();
  return {
    origin,
    port: instance.port,
    post,
    get,
    json: async (path, body, headers) => {
      const response = await post(path, body, headers);
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
      return JSON.parse(text);
    },
    stream: async (path, body, headers) => await readSse(await post(path, body, headers)),
    requests: async () => (await get("/simulate/requests")).requests,
    metric: async (start) => {
      const text = await (await fetch(`${origin}/metrics`)).text();
      const line = text.split("\n").find((line) => line.startsWith(start));
      if (!line) throw new Error(`no metric ${start}`);
      return Number(line.slice(line.lastIndexOf(" ")));
    },
    [Symbol.asyncDispose]: () => instance.close(),
  };
}

/** A conversation of one question. */
export function ask(content: string): { role: string; content: string }[] {
  return [{ role: "user", content }];
}

/** A function to call. */
export const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer" } },
    },
  },
};
