// The stand of the client tests: two simulated instances and the gateway in front of them.

import {
  type GatewayProcess,
  type Simulators,
  startGateway,
  startSimulators,
} from "../../support/processes.ts";
import { waitFor } from "../../support/wait.ts";

export interface Fleet extends AsyncDisposable {
  simulators: Simulators;
  gateway: GatewayProcess;
  /** Base URL for clients, ending in /v1. */
  baseURL: string;
  /** Resolves when some instance has seen a caller leave in the middle of an answer. */
  untilAborted(): Promise<void>;
}

/** Starts both; `args` are flags of the simulated instances. */
export async function startFleet(args: string[] = []): Promise<Fleet> {
  const simulators = await startSimulators({ count: 2, args });
  const gateway = await startGateway({
    config: {
      instances: simulators.urls.map((url) => ({ url, model_name: "demo" })),
      retry: { max_wait: 0 },
    },
  });
  return {
    simulators,
    gateway,
    baseURL: `${gateway.url}/v1`,
    async untilAborted() {
      await waitFor(async () => {
        const seen = await Promise.all([simulators.requests(0), simulators.requests(1)]);
        return seen.flat().some((request) => request.aborted);
      }, "an instance to see the abort");
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await simulators[Symbol.asyncDispose]();
    },
  };
}

/** A tool as the OpenAI API describes it. */
export const weatherTool = {
  type: "function" as const,
  function: {
    name: "get_weather",
    description: "The weather of a city",
    parameters: {
      type: "object" as const,
      properties: { city: { type: "string" } },
      required: ["city"],
    },
  },
};
