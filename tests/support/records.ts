// The records that a gateway has written, read back line by line. What is expected of them is left to the
// tests.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { GatewayProcess } from "./processes.ts";
import { waitFor } from "./wait.ts";

type Writing = Pick<GatewayProcess, "dataDir" | "output">;

/** Where records of a kind lie below the data folder. */
type Folder = "requests_responses" | "incomplete" | "flagged";

/** One line of a record file, as far as the tests read it. */
export interface RecordLine {
  id: string;
  conversations: { from: string; value: string }[];
  /** JSON; "" where none were offered. */
  tools: string;
  model: string;
  meta: {
    instance?: string;
    error?: string;
    attempts?: { instance: string; status?: number; error?: string }[];
    [name: string]: unknown;
  };
}

/** Every record written so far; fails on a line that is not whole. */
export async function records(
  gateway: Writing,
  folder: Folder = "requests_responses",
): Promise<RecordLine[]> {
  const path = join(gateway.dataDir, folder);
  const lines: RecordLine[] = [];
  for (const entry of await listing(path)) {
    assert.match(entry, /^\d{8}_\d{2}\.jsonl$/);
    const text = await Deno.readTextFile(join(path, entry));
    // A line that is just being written has no newline yet and is left for the next look.
    for (const line of text.split("\n").slice(0, -1)) {
      const record = JSON.parse(line);
      lines.push({ ...record, meta: JSON.parse(record.meta) });
    }
  }
  return lines;
}

/** Two workers tell of their requests in any order. */
const startOf = ({ meta }: RecordLine) => String(meta.started_at);

/** Waits for at least `count` records and returns them, as their requests came. */
export async function recordsOf(
  gateway: Writing,
  count: number,
  folder: Folder = "requests_responses",
): Promise<RecordLine[]> {
  let found: RecordLine[] = [];
  await waitFor(async () => {
    found = await records(gateway, folder);
    return found.length >= count;
  }, () => `${count} records in ${folder}, there are ${found.length}; log:\n${gateway.output()}`);
  return found.sort((a, b) => startOf(a).localeCompare(startOf(b)));
}

async function listing(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path), (entry) => entry.name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
