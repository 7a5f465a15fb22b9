// A writer of records over a folder of its own, for the tests of it.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Capture } from "../../lib/record/capture.ts";
import { RecordWriter, type RecordWriterOptions } from "../../lib/record/writer.ts";
import { capture, completion } from "./samples.ts";

const SHAPER = new URL("./shaper_main.ts", import.meta.url).href;
export const HOUR = "20260102_15";

export interface Stand extends AsyncDisposable {
  dir: string;
  writer: RecordWriter;
  drops: number[];
  /** Why each of them was. */
  reasons: string[];
  errors: unknown[];
  /** What no record could be made of. */
  unfit: unknown[];
  /** The lines of a file, parsed; [] when there is none. */
  lines(folder?: string, name?: string): Promise<Record<string, unknown>[]>;
}

export async function stand(
  more: Partial<RecordWriterOptions> = {},
  before?: (dir: string) => Promise<void>,
): Promise<Stand> {
  const root = await Deno.makeTempDir();
  const dir = more.dataDir ?? join(root, "data");
  await before?.(dir);
  const drops: number[] = [];
  const reasons: string[] = [];
  const errors: unknown[] = [];
  const unfit: unknown[] = [];
  const writer = new RecordWriter({
    dataDir: dir,
    format: "sharegpt",
    queueMax: 1000,
    queueMaxBytes: 1 << 28,
    shaper: SHAPER,
    now: () => new Date(2026, 0, 2, 15, 4, 5),
    onDrop: (count, why) => {
      drops.push(count);
      reasons.push(why);
    },
    onError: (error) => errors.push(error),
    onUnfit: (error) => unfit.push(error),
    ...more,
  });
  return {
    dir,
    writer,
    drops,
    reasons,
    errors,
    unfit,
    lines: async (folder = "requests_responses", name = `${HOUR}.jsonl`) => {
      const text = await textOf(join(dir, folder, name));
      assert.ok(text === "" || text.endsWith("\n"), "a line is not whole");
      return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
    },
    async [Symbol.asyncDispose]() {
      await writer.close();
      await Deno.remove(root, { recursive: true });
    },
  };
}

export async function textOf(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

export const user = (content: string) => ({ messages: [{ role: "user", content }] });

export function chat(content: string, more: Partial<Capture> = {}): Capture {
  return capture(user(content), completion({ content: `re: ${content}` }), more);
}
