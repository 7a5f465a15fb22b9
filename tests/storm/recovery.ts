// `deno task storm --recovery`: how long an instance's death, its return, a failover and a resume take.
// Prints the tables of docs/reliability.md. Figures are of this machine's clock; nothing is asserted.

import { chatBody } from "../faults/fleet.ts";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { sseEvents } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { type Instance, startInstances } from "./instances.ts";

/** One line of a table: what was measured and each of its durations in ms. */
interface Row {
  what: string;
  samples: number[];
}

/** Instances die and come back side by side, so many in each round. */
const SIDE_BY_SIDE = 4;
const ROUNDS = 8;
/** They take ten seconds each. */
const FREEZES = 3;
/** Answers for each line of the second table. */
const ANSWERS = 300;

/** Measures everything and resolves with both tables in Markdown; takes about five minutes. */
export async function measureRecovery(onRow: (line: string) => void): Promise<string> {
  const rows = async (measured: AsyncGenerator<Row>) => {
    const lines: string[] = [];
    for await (const row of measured) {
      lines.push(line(row));
      onRow(lines.at(-1)!);
    }
    return lines;
  };
  const notice = await rows(noticed());
  const delay = await rows(delays());
  const head = (what: string) => [
    `| ${what} | samples | p50 ms | p99 ms | longest ms |`,
    "|---|---:|---:|---:|---:|",
  ];
  return [
    ...[...head("From … to …"), ...notice, ""],
    ...[...head("Time of a client"), ...delay],
  ].join("\n");
}

function line({ what, samples }: Row): string {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  const text = (ms: number) => ms < 100 ? ms.toFixed(1) : String(Math.round(ms));
  return `| ${what} | ${samples.length} | ${text(at(0.5))} | ${text(at(0.99))} | ${
    text(sorted.at(-1)!)
  } |`;
}

/** Deaths and returns, with the checks as they are by default. */
async function* noticed(): AsyncGenerator<Row> {
  await using instances = await startInstances(SIDE_BY_SIDE, ["--ttft", "0"]);
  await using gateway = await startGateway({
    config: { instances: instances.map((one) => entry(one)), log: { level: "error" } },
  });
  const byCheck: Row = { what: "SIGKILL to out, no traffic (active check alone)", samples: [] };
  const byRequest: Row = { what: "SIGKILL to out, requests coming", samples: [] };
  const stopped: Row = { what: "SIGSTOP to out, no traffic (checks time out)", samples: [] };
  const back: Row = { what: "listening again to in use", samples: [] };
  for (let round = 0; round < ROUNDS; round++) {
    byCheck.samples.push(
      ...await all(instances, async (one) => {
        await apart();
        await one.kill();
        return await until(gateway, one, (state) => state === "down");
      }),
    );
    back.samples.push(...await all(instances, (one) => restart(gateway, one)));
  }
  yield byCheck;
  for (let round = 0; round < ROUNDS * SIDE_BY_SIDE; round++) {
    const one = instances[round % SIDE_BY_SIDE];
    await one.kill();
    const since = performance.now();
    const down = until(gateway, one, (state) => state === "down", since);
    // One of these meets it.
    for (let request = 0; request < SIDE_BY_SIDE; request++) await firstToken(gateway);
    byRequest.samples.push(await down);
    back.samples.push(await restart(gateway, one));
  }
  yield byRequest;
  for (let round = 0; round < FREEZES; round++) {
    stopped.samples.push(
      ...await all(instances, async (one) => {
        await apart();
        one.freeze();
        return await until(gateway, one, (state) => state === "down");
      }),
    );
    for (const one of instances) one.thaw();
    await all(instances, (one) => until(gateway, one, isInUse));
  }
  yield stopped;
  yield back;
}

/** A restarted process, from the moment it listens until requests are sent to it again. */
async function restart(gateway: GatewayProcess, one: Instance): Promise<number> {
  await one.start();
  return await until(gateway, one, isInUse);
}

function isInUse(state: string): boolean {
  return state === "healthy" || state === "slow_start";
}

/** Milliseconds until the gateway says so of an instance. */
async function until(
  gateway: GatewayProcess,
  { name }: Instance,
  holds: (state: string) => boolean,
  since = performance.now(),
): Promise<number> {
  await waitFor(
    async () => {
      const health = await (await fetch(`${gateway.url}/health`)).json();
      return holds(health.instances.find((one: { name: string }) => one.name === name).state);
    },
    `the state of ${name}`,
    60_000,
  );
  return performance.now() - since;
}

async function all(
  instances: readonly Instance[],
  measure: (one: Instance) => Promise<number>,
): Promise<number[]> {
  return await Promise.all(instances.map(measure));
}

/** Somewhere within the time between two checks, so that deaths fall anywhere in it. */
function apart(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * 5000));
}

/** The time to the first token, and the longest gap between two, with and without a failure. */
async function* delays(): AsyncGenerator<Row> {
  const pace = ["--ttft", "0", "--tokens-per-second", "0"];
  await using sound = await startInstances(1, pace);
  const stand = async (fault: string | null): Promise<GatewayProcess & AsyncDisposable> => {
    const weak = fault === null ? [] : await startInstances(1, [...pace, "--fail", fault]);
    if (fault === "refuse") await weak[0].kill();
    const gateway = await startGateway({
      config: {
        // The sound one gets a thousandth of the first attempts, and all of the second ones.
        instances: [
          ...weak.map((one) => ({ ...entry(one), name: "weak", weight: 1000 })),
          entry(sound[0]),
        ],
        health_check: false,
        error_threshold: 1_000_000,
        log: { level: "error" },
      },
    });
    const dispose = gateway[Symbol.asyncDispose];
    return Object.assign(gateway, {
      async [Symbol.asyncDispose]() {
        await dispose.call(gateway);
        if (weak.length > 0) await weak[0].kill();
      },
    });
  };
  const measured = async (
    what: string,
    fault: string | null,
    measure: (gateway: GatewayProcess) => Promise<number>,
  ): Promise<Row> => {
    await using gateway = await stand(fault);
    const samples: number[] = [];
    // The first ones compile the code that the others run.
    for (let answer = -50; answer < ANSWERS; answer++) {
      const ms = await measure(gateway);
      if (answer >= 0) samples.push(ms);
    }
    if (fault?.startsWith("cut") && await resumesOf(gateway) < ANSWERS * 0.9) {
      throw new Error(`${what}: hardly an answer was resumed`);
    }
    return { what, samples };
  };
  // Few enough for an unpaced instance to send them in one go: the gap is that of the seam.
  const ask = { max_tokens: 30, stream: true };
  const tool = {
    stream: true,
    max_tokens: 60,
    tools: [{
      type: "function",
      function: {
        name: "get_weather",
        parameters: { type: "object", properties: { city: { type: "string" }, days: {} } },
      },
    }],
    tool_choice: "required",
  };
  const gap = (gateway: GatewayProcess) => longestGap(gateway, "/v1/chat/completions", ask);
  yield await measured("to the first token, no failure", null, firstToken);
  yield await measured("… first instance refuses the connection", "refuse", firstToken);
  yield await measured("… it resets it before the head", "reset", firstToken);
  yield await measured("… it answers 500", "500", firstToken);
  yield await measured("… it ends the stream before a token", "empty", firstToken);
  yield await measured("longest gap between two tokens, no failure", null, gap);
  yield await measured("… broken off after 10 tokens, continued", "cut:10", gap);
  yield await measured("… reset after 10 tokens, continued", "cut-reset:10", gap);
  yield await measured(
    "… tool call broken off in its arguments, replayed",
    "cut:27",
    (gateway) => longestGap(gateway, "/v1/chat/completions", tool),
  );
  yield await measured(
    "… /v1/messages broken off after 10 tokens, replayed",
    "cut:10",
    (gateway) => longestGap(gateway, "/v1/messages", ask),
  );
}

async function firstToken(gateway: GatewayProcess): Promise<number> {
  const since = performance.now();
  const response = await gateway.post(
    "/v1/chat/completions",
    chatBody({ stream: true, max_tokens: 4 }),
  );
  let first = NaN;
  for await (const _ of sseEvents(response)) first ||= performance.now() - since;
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  return first;
}

async function longestGap(
  gateway: GatewayProcess,
  path: string,
  more: Record<string, unknown>,
): Promise<number> {
  const response = await gateway.post(path, chatBody(more));
  let longest = 0;
  let last = NaN;
  let ended = false;
  for await (const { atMs, data } of sseEvents(response)) {
    if (atMs - last > longest) longest = atMs - last;
    last = atMs;
    ended ||= data === "[DONE]";
  }
  if (!ended) throw new Error(`${path} ended without [DONE]`);
  return longest;
}

async function resumesOf(gateway: GatewayProcess): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const counts = [...text.matchAll(/^gateway_resumes_total\{.*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

function entry({ name, url }: Instance): Record<string, unknown> {
  return { name, url, model_name: "demo" };
}
