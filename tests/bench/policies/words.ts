// A gateway's options with a policy that looks for many phrases in answers.

import { join } from "node:path";
import { phrases } from "../../fuzz/policies/generate.ts";
import { Random } from "../../fuzz/random.ts";

/** Writes `count` phrases in two languages below `folder`; returns the options that name them. */
export async function lookingFor(count: number, folder: string): Promise<Record<string, unknown>> {
  const file = join(folder, "phrases.txt");
  await Deno.writeTextFile(file, phrases(count, new Random(1, -1)).join("\n"));
  return { policies: [{ name: "words", type: "words", on: "answer", action: "mask", file }] };
}
