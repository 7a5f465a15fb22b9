// Simulated instances from their start to the signal that ends them.

import {
  type SimulatedInstance,
  type SimulateOptions,
  startSimulated,
} from "../../simulate/instance.ts";
import type { Given } from "./flags.ts";

/** Resolves to the exit code once SIGTERM or SIGINT came. */
export async function runSimulated(given: Given): Promise<number> {
  const { port, count, json, host: hostname, "shutdown-timeout": shutdownTimeoutS } = given;
  const options = optionsOf(given);
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
        : `simulate: cannot listen on ${hostname}: ${message}`,
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
  if (signal === "SIGTERM" && shutdownTimeoutS !== undefined) {
    await Promise.all(instances.map((instance) => instance.terminate(shutdownTimeoutS)));
  }
  await Promise.all(instances.map((instance) => instance.close()));
  return 0;
}

function optionsOf(given: Given): SimulateOptions {
  return {
    hostname: given.host,
    models: given.model.length === 0 ? undefined : given.model,
    apiKey: given["api-key"],
    maxModelLen: given["max-model-len"],
    ttftS: given.ttft,
    tokensPerSecond: given["tokens-per-second"],
    tokens: given.tokens,
    answer: given.answer,
    reasoningTokens: given.reasoning,
    reasoningField: given["reasoning-field"],
    seed: given.seed,
    maxNumSeqs: given["max-num-seqs"],
    maxNumQueuedReqs: given["max-num-queued-reqs"],
    ranks: given.ranks,
    cacheBlocks: given["cache-blocks"],
    prefillTokensPerSecond: given["prefill-tokens-per-second"],
    reasoningParser: given["reasoning-parser"],
    byteTokens: given["byte-tokens"],
    oddPieces: given["odd-pieces"],
    streamInterval: given["stream-interval"],
    coalesce: given.coalesce,
    forceIncludeUsage: given["enable-force-include-usage"],
    emptyEvents: given["empty-events"],
    lateHead: given["late-head"],
    devMode: given["dev-mode"],
    faults: given.fail,
  };
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
