// What a simulated instance is like where nobody says otherwise.

import type { EngineOptions } from "./engine.ts";

/** What an instance does unless told otherwise. */
export const DEFAULTS: EngineOptions = {
  models: ["demo"],
  ttftS: 0.2,
  tokensPerSecond: 50,
  maxModelLen: 32_768,
  apiKey: null,
  reasoningTokens: 0,
  reasoningField: "reasoning",
  answer: null,
  tokens: null,
  seed: 0,
  reasoningParser: null,
  byteTokens: false,
  oddPieces: false,
  maxNumSeqs: 0,
  maxNumQueuedReqs: 0,
  streamInterval: 1,
  coalesce: 0,
  forceIncludeUsage: false,
  emptyEvents: false,
  lateHead: false,
  devMode: false,
  ranks: 1,
  cacheBlocks: 20_000,
  prefillTokensPerSecond: 0,
};
