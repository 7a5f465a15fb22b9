// Recorded files in a folder, and the export command over them.

import { join } from "node:path";
import { exportRecords } from "../../lib/cli/export.ts";

export interface Stand extends AsyncDisposable {
  dir: string;
  /** Runs the command with --output. */
  export(...args: string[]): Promise<Exported>;
  /** Runs it with an --output of one's own. */
  exportTo(output: string, ...args: string[]): Promise<Exported>;
}

export interface Exported {
  /** The exit code. */
  code: number;
  /** The text written. */
  text: string;
  /** What was said on standard error. */
  said: string;
}

export async function stand(files: Record<string, string>): Promise<Stand> {
  const dir = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(join(dir, name, ".."), { recursive: true });
    await Deno.writeTextFile(join(dir, name), text);
  }
  return {
    dir,
    export: (...args) => exportTo(join(dir, "out"), ...args),
    exportTo,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

async function exportTo(output: string, ...args: string[]): Promise<Exported> {
  const said: string[] = [];
  const { error } = console;
  console.error = (line: string) => said.push(line);
  try {
    const code = await exportRecords.run([...args, "--output", output]);
    const text = code === 0 ? await Deno.readTextFile(output) : "";
    return { code, text, said: said.join("\n") };
  } finally {
    console.error = error;
  }
}

export function record(id: string, values: string[], more: object = {}, meta: object = {}): object {
  return {
    id,
    conversations: values.map((value, at) => ({ from: at % 2 === 0 ? "human" : "gpt", value })),
    model: "m",
    created: 1767225600,
    tools: "",
    meta: JSON.stringify({
      instance: "gpu-1",
      finish_reason: "stop",
      started_at: "2026-01-01T00:00:00Z",
      ...meta,
    }),
    ...more,
  };
}

export function lines(...records: object[]): string {
  return records.map((one) => `${JSON.stringify(one)}\n`).join("");
}

export const day = "requests_responses/20260101_00.jsonl";
