/** One kind of load. */
export interface Row {
  name: string;
  title: string;
  connections: number;
  /** Of each stream; 0 for JSON answers. */
  chunks: number;
  /** Between two chunks, or between an answer without and the next request; 0 for as fast as they are taken. */
  paceMs: number;
  promptBytes: number;
  /** Ratio to nginx's CPU time that is aimed at; null for none. */
  reach: number | null;
}

const stream = { chunks: 200, paceMs: 20, promptBytes: 400 };
const json = { chunks: 0, paceMs: 0, promptBytes: 400 };

export const ROWS: readonly Row[] = [
  { name: "json-1", title: "JSON, 1 connection", connections: 1, ...json, reach: null },
  { name: "json-64", title: "JSON, 64 connections", connections: 64, ...json, reach: 4.0 },
  {
    name: "json-paced",
    title: "JSON, 64 connections, 10 a second each",
    connections: 64,
    chunks: 0,
    paceMs: 100,
    promptBytes: 400,
    reach: null,
  },
  { name: "sse-200", title: "200 streams, paced 20 ms", connections: 200, ...stream, reach: 2.1 },
  {
    name: "sse-1000",
    title: "1,000 streams, paced 20 ms",
    connections: 1000,
    ...stream,
    reach: 1.4,
  },
  {
    name: "sse-unpaced",
    title: "16 streams, unpaced",
    connections: 16,
    chunks: 500,
    paceMs: 0,
    promptBytes: 400,
    reach: 3.5,
  },
  {
    name: "prompt-1mb",
    title: "1 MB prompts, 16 connections",
    connections: 16,
    ...json,
    promptBytes: 1_000_000,
    reach: null,
  },
];
