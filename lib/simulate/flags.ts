// The flags of the `simulate` command as options.

import { parseArgs } from "node:util";
import { type FaultRule, parseFault } from "./faults.ts";
import { REASONING_PARSERS } from "./reasoning.ts";

/** Flags as options; null when help is asked for. Throws TypeError or RangeError on a bad flag. */
export function readFlags(args: string[]) {
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
      "max-num-queued-reqs": { type: "string" },
      "reasoning-parser": { type: "string" },
      "byte-tokens": { type: "boolean" },
      "odd-pieces": { type: "boolean" },
      "stream-interval": { type: "string" },
      "coalesce": { type: "string" },
      "enable-force-include-usage": { type: "boolean" },
      "empty-events": { type: "boolean" },
      "late-head": { type: "boolean" },
      "dev-mode": { type: "boolean" },
      "shutdown-timeout": { type: "string" },
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
  const parser = REASONING_PARSERS.find((name) => name === values["reasoning-parser"]);
  if (values["reasoning-parser"] !== undefined && !parser) {
    throw new RangeError(`--reasoning-parser: expected ${REASONING_PARSERS.join(" or ")}`);
  }
  const coalesce = number("coalesce", false);
  if (coalesce !== undefined && coalesce >= 1) {
    throw new RangeError("--coalesce: expected a share below 1");
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
    /** Null where SIGTERM ends everything at once. */
    shutdownTimeoutS: number("shutdown-timeout", false) ?? null,
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
      maxNumQueuedReqs: number("max-num-queued-reqs", true),
      cacheBlocks: number("cache-blocks", true),
      reasoningParser: parser,
      byteTokens: values["byte-tokens"],
      oddPieces: values["odd-pieces"],
      streamInterval: number("stream-interval", true),
      coalesce,
      forceIncludeUsage: values["enable-force-include-usage"],
      emptyEvents: values["empty-events"],
      lateHead: values["late-head"],
      devMode: values["dev-mode"],
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
