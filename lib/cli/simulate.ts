// The `simulate` command: flags to simulated instances, one ready line each, until a signal comes.

import { FAULT_KINDS } from "../simulate/faults.ts";
import { command } from "./command/command.ts";
import { UsageError } from "./command/read.ts";
import { flags } from "./simulate/flags.ts";

export const simulate = command({
  name: "simulate",
  summary: "starts simulated vLLM instances, for trying out, tests and benchmarks",
  about:
    `Starts instances that speak vLLM's dialect without a model or a GPU. Answers are a function of the
prompt: instances with the same seed give the same answer and continue each other's.`,
  flags,
  details:
    `In a FAULT a number with a point is a probability, one without a count of requests. Kinds that
happen within an answer take the number of chunks first. Further :retry-after=SECONDS, and
:path=/PATH to hit that path only, :word=WORD to hit requests that hold it. The kinds:
${
      Object.entries(FAULT_KINDS).map(([kind, { number, says }]) =>
        `  ${(kind + (number ? `:${number.toUpperCase()}` : "")).padEnd(22)} ${says}`
      ).join("\n")
    }

Each request may ask for its own: headers x-simulate-fail, x-simulate-ttft,
x-simulate-tokens-per-second, x-simulate-tokens. GET /simulate/requests shows what an instance was
asked, POST /simulate/fail {"kind","number","count","probability","path","word"} sets a fault, POST
/simulate/reset takes everything back.`,
  examples: [
    "simple-ai-gateway simulate",
    "simple-ai-gateway simulate --count 4 --port 9001 --model deepseek-r1 --reasoning",
    "simple-ai-gateway simulate --ttft 1 --tokens-per-second 30 --max-num-seqs 64",
    "simple-ai-gateway simulate --fail cut:20:0.05 --fail 429:3:retry-after=2",
  ],
}, async ({ values }) => {
  const { port, count } = values;
  if (port + count - 1 > 65_535) {
    throw new UsageError(`--port: expected at most ${65_536 - count} for ${count} instances`);
  }
  const { runSimulated } = await import("./simulate/run.ts");
  return await runSimulated(values);
});
