// A night with everything in it: one instance killed, one hung, one with a wrong key, one that serves another
// model, the fallback in use, one model lost for a while, all back at the end. What can be told of it afterwards
// is left to the tests.

import assert from "node:assert/strict";
import { chatBody } from "../faults/fleet.ts";
import {
  type GatewayProcess,
  type Simulators,
  startGateway,
  startSimulators,
} from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { freePort } from "../support/ports.ts";

export const NIGHT_TOKEN = "correct-horse-battery";

export interface Night extends AsyncDisposable {
  readonly gateway: GatewayProcess;
  /** Answers that came, and those that did not, as the clients saw it. */
  readonly answered: number;
  readonly lost: number;
}

/** Resolves when all is over; `atWorst` looks at the gateway when nothing is back yet. */
export async function wholeNight(
  atWorst: (gateway: GatewayProcess) => Promise<void>,
): Promise<Night> {
  await using stack = new AsyncDisposableStack();
  const simulated = async (...args: string[]): Promise<Simulators> =>
    stack.use(await startSimulators({ args: ["--port", String(freePort()), ...args] }));
  const [killed, hangs, guarded, renamed, alone, paid] = await Promise.all([
    simulated(),
    simulated(),
    simulated("--api-key", "sk-right-key"),
    simulated(),
    simulated("--model", "big"),
    simulated(),
  ]);
  const entry = (name: string, { urls: [url] }: Simulators, more = {}) => ({
    ...{ name, url, model_name: "demo" },
    ...more,
  });
  const configOf = (key: string, model: string) => ({
    admin: { token: NIGHT_TOKEN, local: true },
    health_check: { interval: 0.2, path: "/health", timeout: 2 },
    timeouts: { connect: 1, first_byte: 2, answer: 2 },
    retry: { max_wait: 0 },
    resume: { patience: 0 },
    ejection_time: 0.5,
    max_ejection_time: 1,
    slow_start: 0,
    alert_cooldown: 0,
    alert_rules: { window: 3, summary_window: 0, disk_free_bytes: 0 },
    instances: [
      entry("killed", killed),
      entry("hangs", hangs),
      entry("guarded", guarded, { api_key: key }),
      entry("renamed", renamed, { upstream_model: model }),
      entry("alone", alone, { model_name: "big" }),
    ],
    fallback_instances: [entry("paid", paid)],
  });
  const gateway = stack.use(
    await startGateway({ config: configOf("sk-right-key", "demo") }),
  );
  let answered = 0;
  let lost = 0;
  const chat = async (model = "demo") => {
    const response = await gateway.post("/v1/chat/completions", chatBody({ model, stream: true }), {
      headers: { "user-agent": "shop/2.0" },
    });
    const text = await response.text();
    if (response.status === 200 && text.includes("[DONE]")) answered++;
    else lost++;
    return response.headers.get("x-gateway-instance");
  };
  const become = (states: Record<string, RegExp>) =>
    waitFor(
      async () => {
        const { instances } = await (await fetch(`${gateway.url}/health`)).json();
        return instances.every(({ name, state }: { name: string; state: string }) =>
          states[name]?.test(state) ?? true
        );
      },
      JSON.stringify(Object.entries(states).map(String)),
    );

  for (let i = 0; i < 8; i++) await chat();
  await chat("big");
  // Somebody mends the file, and makes two mistakes.
  await gateway.writeConfig(configOf("sk-old-key", "other"));
  await waitFor(
    async () => {
      for (let i = 0; i < 4; i++) await chat();
      const { instances } = await (await fetch(`${gateway.url}/health`)).json();
      return instances.filter(({ state }: { state: string }) => state === "misconfigured")
        .length === 2;
    },
    "both mistakes to be found",
  );
  await killed.process.kill();
  for (let i = 0; i < 3; i++) await chat();
  await become({ killed: /down/ });
  hangs.process.signal("SIGSTOP");
  await waitFor(async () => await chat() === "paid", "the fallback to be asked");
  await become({ hangs: /hung|ejected|down/ });
  await alone.fail(0, "engine-dead", { count: 1 });
  for (let i = 0; i < 3; i++) await chat("big");
  await become({ alone: /down/ });
  for (let i = 0; i < 2; i++) await chat();
  await atWorst(gateway);

  await gateway.writeConfig(configOf("sk-right-key", "demo"));
  hangs.process.signal("SIGCONT");
  await alone.reset(0);
  stack.use(await startSimulators({ args: ["--port", String(killed.ports[0])] }));
  const well = /healthy/;
  await waitFor(
    async () => {
      await chat();
      await chat("big").catch(() => {});
      const { instances } = await (await fetch(`${gateway.url}/health`)).json();
      return instances.every(({ state }: { state: string }) => well.test(state));
    },
    "all to be back",
  );
  for (let i = 0; i < 4; i++) assert.notEqual(await chat(), "paid");
  const owned = stack.move();
  return {
    gateway,
    get answered() {
      return answered;
    },
    get lost() {
      return lost;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
