// Hours of records as they lie on a disk, written and read by hand.

import { hourFile } from "../../lib/observe/hour_files.ts";
import { readLines } from "../../lib/observe/packed_file.ts";

export const NOW = new Date(2026, 0, 31, 12, 30);

export function record(id: string, more: Record<string, unknown> = {}, at = NOW): string {
  return JSON.stringify({
    id,
    conversations: [{ from: "human", value: `question ${id}` }, { from: "gpt", value: "answer" }],
    model: "demo",
    created: at.getTime() / 1000,
    tools: "",
    meta: JSON.stringify({ client: "10.0.0.7", started_at: at.toISOString(), ...more }),
  });
}

export async function put(folder: string, hour: string, lines: readonly string[]): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  const path = hourFile(folder, hour);
  await Deno.writeTextFile(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

export async function linesOf(path: string): Promise<string[]> {
  let text = "";
  for await (const piece of (await readLines(path)).pipeThrough(new TextDecoderStream())) {
    text += piece;
  }
  return text.split("\n").filter((line) => line !== "");
}

export const namesIn = (folder: string) =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
