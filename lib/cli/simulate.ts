// The `simulate` command: flags to simulated instances, one ready line each, until a signal comes.

import { FAULT_KINDS } from "../simulate/faults.ts";
import { readFlags } from "../simulate/flags.ts";
import { DEFAULTS, type SimulatedInstance, startSimulated } from "../simulate/instance.ts";
import { REASONING_PARSERS } from "../simulate/reasoning.ts";

export const summary = "start simulated vLLM instances, for trying out, tests and benchmarks";

export const help = `Usage: simple-ai-gateway simulate [options]

Starts instances that speak vLLM's dialect without a model or a GPU. Answers are a function of the
prompt: instances with the same seed give the same answer and continue each other's.

Where
  --host ADDRESS             address to listen on (127.0.0.1)
  --port N                   port of the first instance, the others follow; 0: any free ones (8001)
  --count N                  number of instances (1)
  --model NAME               name of the model, repeat it for several names (demo)
  --api-key KEY              ask for "Authorization: Bearer KEY" under /v1 and /v2
  --max-model-len N          tokens of prompt and answer at most (${DEFAULTS.maxModelLen})
  --json                     ready lines as JSON

How
  --ttft SECONDS             time to the first token of a prompt that is not cached (${DEFAULTS.ttftS})
  --tokens-per-second N      speed of one answer, 0: as fast as it is read (${DEFAULTS.tokensPerSecond})
  --tokens N                 length of the answers' text in tokens (by the prompt, 48 to 80)
  --answer TEXT|@FILE        what to answer, the text itself or a file's
  --reasoning [N]            think before answering, N tokens (16)
  --reasoning-field NAME     reasoning, or reasoning_content as older versions say (reasoning)
  --seed N                   another seed is another model (0)
  --max-num-seqs N           requests at once, others wait; 0: any number (0)
  --max-num-queued-reqs N    requests that run and wait at most, others get 503; 0: any number (0)
  --cache-blocks N           prefix cache in blocks of 16 tokens, 0: none (${DEFAULTS.cacheBlocks})

As vLLM
  --reasoning-parser NAME    ${REASONING_PARSERS.join(" or ")}: what no mark ends is reasoning
  --byte-tokens              a character beyond ASCII is as many tokens as it has bytes
  --odd-pieces               some words come in other pieces than their text is encoded in
  --stream-interval N        tokens an event, the first one's apart (1)
  --coalesce SHARE           tokens that leave with the next one, as with a slow reader (0)
  --enable-force-include-usage   usage in every chunk of every stream
  --empty-events             an event for tokens without text too, as without any parser
  --late-head                a stream's head comes with its first token
  --dev-mode                 /sleep, /wake_up, /is_sleeping, /pause, /resume, /is_paused
  --shutdown-timeout SECONDS on SIGTERM finish what runs, refuse what comes, abort the rest
                             (without: end at once)

Faults
  --fail KIND[:NUMBER][:PROBABILITY|:COUNT]   repeat it for several; a number with a point is a
                             probability, one without a count of requests. Kinds that happen within
                             an answer take the number of chunks first. Further :retry-after=SECONDS,
                             and :path=/PATH to hit that path only.
${
  Object.entries(FAULT_KINDS).map(([kind, { number, says }]) =>
    `    ${(kind + (number ? `:${number.toUpperCase()}` : "")).padEnd(22)} ${says}`
  ).join("\n")
}

Each request may ask for its own: headers x-simulate-fail, x-simulate-ttft,
x-simulate-tokens-per-second, x-simulate-tokens. GET /simulate/requests shows what an instance was
asked, POST /simulate/fail {"kind","count","probability","path"} sets a fault, POST /simulate/reset
takes everything back.

Examples
  simple-ai-gateway simulate
  simple-ai-gateway simulate --count 4 --port 9001 --model deepseek-r1 --reasoning
  simple-ai-gateway simulate --ttft 1 --tokens-per-second 30 --max-num-seqs 64
  simple-ai-gateway simulate --fail cut:20:0.05 --fail 429:3:retry-after=2
`;

/** Runs the command; resolves with the exit code once SIGTERM or SIGINT came. */
export async function run(args: string[]): Promise<number> {
  let settings: ReturnType<typeof readFlags>;
  try {
    settings = readFlags(args);
  } catch (error) {
    // parseArgs throws TypeError, our own checks RangeError: both are the caller's mistake.
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    console.error(`simulate: ${error.message}`);
    return 2;
  }
  if (settings === null) {
    console.log(help);
    return 0;
  }
  const { options, count, port, json, shutdownTimeoutS } = settings;
  const instances: SimulatedInstance[] = [];
  try {
    for (let index = 0; index < count; index++) {
      instances.push(await startSimulated({ ...options, port: port === 0 ? 0 : port + index }));
    }
  } catch (error) {
    await Promise.all(instances.map((instance) => instance.close()));
    const { code, message } = error as { code?: string; message: string };
    console.error(
      code === "EADDRINUSE"
        ? `simulate: port ${port + instances.length} is taken; choose another with --port`
        : `simulate: cannot listen on ${options.hostname}: ${message}`,
    );
    return 1;
  }
  const ended = nextSignal();
  for (const { url, model } of instances) {
    console.log(
      json ? JSON.stringify({ url, model }) : `simulated vLLM listening on ${url} (${model})`,
    );
  }
  const signal = await ended;
  if (signal === "SIGTERM" && shutdownTimeoutS !== null) {
    await Promise.all(instances.map((instance) => instance.terminate(shutdownTimeoutS)));
  }
  await Promise.all(instances.map((instance) => instance.close()));
  return 0;
}

function nextSignal(): Promise<Deno.Signal> {
  // Windows knows no SIGTERM.
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  return new Promise((resolve) => {
    const listeners = signals.map((signal) => {
      const end = () => {
        for (const { signal, end } of listeners) Deno.removeSignalListener(signal, end);
        resolve(signal);
      };
      return { signal, end };
    });
    for (const { signal, end } of listeners) Deno.addSignalListener(signal, end);
  });
}
