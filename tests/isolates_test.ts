// main.ts as the isolates of a serving process: what is posted to one at once is not lost.

import assert from "node:assert/strict";
import type { Capture } from "../lib/record/capture.ts";
import { SHAPER, type ToShaper } from "../lib/record/shape/worker.ts";
import { type FromPlugin, PLUGIN, type ToPlugin, WARDEN } from "../lib/policy/plugin/worker.ts";

const MAIN = new URL("../main.ts", import.meta.url);
const TIMES = 12;

/** What an isolate answers to a message that was posted before its first turn. */
async function firstAnswer<Out>(name: string, message: unknown): Promise<Out> {
  const worker = new Worker(MAIN, { type: "module", name });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<Out>) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage(message);
      const late = setTimeout(() => reject(new Error(`${name} never answered`)), 20_000);
      Deno.unrefTimer(late);
    });
  } finally {
    worker.terminate();
  }
}

for (const name of [PLUGIN, WARDEN]) {
  Deno.test(`an isolate of ${name} takes what was posted while it was loaded`, async () => {
    const load = {
      kind: "load",
      module: MAIN.href,
      script: "policy = { prompt() { return 'pass'; } };",
      file: "own.ts",
    } satisfies ToPlugin;
    const answers = await Promise.all(
      Array.from({ length: TIMES }, () => firstAnswer<FromPlugin>(name, load)),
    );
    for (const answer of answers) assert.notEqual(answer.kind, "fault");
  });
}

Deno.test("the isolate that shapes records takes what was posted while it was loaded", async () => {
  const order: ToShaper = {
    capture: { requestBody: new Uint8Array() } as unknown as Capture,
    body: null,
    events: null,
    format: "sharegpt",
  };
  await Promise.all(Array.from({ length: TIMES }, () => firstAnswer(SHAPER, order)));
});
