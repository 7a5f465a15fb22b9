// The `simulate` command: flags to simulated instances, one ready line each, until a signal comes.

import { parseArgs } from "node:util";
import { FAULT_KINDS, type FaultRule, parseFault } from "../simulate/faults.ts";
import { DEFAULTS, type SimulatedInstance, startSimulated } from "../simulate/instance.ts";

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
  --cache-blocks N           prefix cache in blocks of 16 tokens, 0: none (${DEFAULTS.cacheBlocks})

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
  let settings: ReturnType<typeof read>;
  try {
    settings = read(args);
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
  const { options, count, port, json } = settings;
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
  await ended;
  await Promise.all(instances.map((instance) => instance.close()));
  return 0;
}

function nextSignal(): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      Deno.removeSignalListener("SIGINT", end);
      if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGTERM", end);
      resolve();
    };
    Deno.addSignalListener("SIGINT", end);
    // Windows knows no SIGTERM.
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", end);
  });
}

/** Flags as options; null when help is asked for. Throws TypeError or RangeError on a bad flag. */
function read(args: string[]) {
  const { values } = parseArgs({
    args: withReasoningLength(args),
    options: {
      "help": { type: "boolean", short: "h" },
      "host": { type: "string", default: "127.0.0.1" },
      "port": { type: "string", default: "8001" },
      "count": { type: "string", default: "1" },
      "model": { type: "string", multiple: true },
      "api-key": { type: "string" },
      "max-model-len": { type: "string" },
      "json": { type: "boolean" },
      "ttft": { type: "string" },
      "tokens-per-second": { type: "string" },
      "tokens": { type: "string" },
      "answer": { type: "string" },
      "reasoning": { type: "string" },
      "reasoning-field": { type: "string" },
      "seed": { type: "string" },
      "max-num-seqs": { type: "string" },
      "cache-blocks": { type: "string" },
      "fail": { type: "string", multiple: true },
    },
  });
  if (values.help) return null;
  const number = (name: keyof typeof values, whole: boolean): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text === "" || !(value >= 0) || (whole && !Number.isInteger(value))) {
      throw new RangeError(`--${name}: expected a ${whole ? "whole " : ""}number, not "${text}"`);
    }
    return value;
  };
  const field = values["reasoning-field"];
  if (field !== undefined && field !== "reasoning" && field !== "reasoning_content") {
    throw new RangeError(
      `--reasoning-field: expected reasoning or reasoning_content, not "${field}"`,
    );
  }
  const port = number("port", true)!;
  const count = number("count", true)!;
  if (count < 1) throw new RangeError("--count: expected at least 1");
  if (port + count - 1 > 65_535) throw new RangeError("--port: expected at most 65535");
  const faults: FaultRule[] = (values.fail ?? []).map(parseFault);
  return {
    port,
    count,
    json: values.json === true,
    options: {
      hostname: values.host,
      models: values.model,
      apiKey: values["api-key"],
      maxModelLen: number("max-model-len", true),
      ttftS: number("ttft", false),
      tokensPerSecond: number("tokens-per-second", false),
      tokens: number("tokens", true),
      answer: values.answer === undefined ? undefined : answerText(values.answer),
      reasoningTokens: number("reasoning", true),
      reasoningField: field as "reasoning" | "reasoning_content" | undefined,
      seed: number("seed", true),
      maxNumSeqs: number("max-num-seqs", true),
      cacheBlocks: number("cache-blocks", true),
      faults,
    },
  };
}

/** `--reasoning` alone means 16 tokens; parseArgs knows no optional values. */
function withReasoningLength(args: string[]): string[] {
  return args.flatMap((arg, index) =>
    arg === "--reasoning" && !/^\d+$/.test(args[index + 1] ?? "") ? ["--reasoning", "16"] : [arg]
  );
}

function answerText(given: string): string {
  if (!given.startsWith("@")) return given;
  try {
    return Deno.readTextFileSync(given.slice(1));
  } catch (error) {
    throw new RangeError(`--answer: cannot read ${given.slice(1)}: ${(error as Error).message}`);
  }
}
