// A report to vary.

import type { Report } from "../../lib/observe/report.ts";

/** A streamed answer of one instance: 7 tokens asked, 11 answered, 30 ms to the first of them. */
export const REPORT: Report = {
  id: "abc",
  method: "POST",
  path: "/v1/chat/completions",
  route: "/v1/chat/completions",
  api: "chat",
  model: "m",
  client: "10.0.0.7",
  userAgent: "test/1.0",
  stream: true,
  streamed: true,
  outcome: "complete",
  status: 200,
  error: "",
  instance: "a",
  receipt: "",
  attempts: [{ instance: "a", outcome: "answered", status: 200 }],
  resumes: [],
  startedAtMs: 1_700_000_000_000,
  firstByteMs: 30,
  durationMs: 1030,
  waitedMs: 0,
  promptTokens: 7,
  completionTokens: 11,
  pieces: 11,
  caller: null,
  spent: { prompt: 7, cached: 0, completion: 11, estimated: false },
  turnedAway: "",
  policies: [],
};
