// The Python of the README and of the guide to clients as it stands there, but for the address, with the real
// libraries: each stream comes whole although the instance that begins it breaks off.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT } from "../../support/processes.ts";
import { waitFor } from "../../support/wait.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { environment, isReady } from "./python/environment.ts";

async function snippets(document: string): Promise<string[]> {
  const text = await Deno.readTextFile(join(ROOT, document));
  return [...text.matchAll(/^```python\n([\s\S]*?)^```$/gm)].map(([, snippet]) => snippet);
}

async function run(snippet: string, { baseURL }: Fleet): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(join(environment, "bin/python"), {
    args: ["-c", snippet.replace("http://localhost:9999/v1", baseURL)],
    env: { PYTHONIOENCODING: "utf-8", PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "null",
  }).output();
  assert.ok(success, `${snippet}\n${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

interface Line {
  stream: boolean;
  outcome: string;
  error: string;
  attempts: unknown[];
  resumes: unknown[];
}

/** The gateway's own account of the requests so far, once there are `count` of them. */
async function lines({ gateway }: Fleet, count: number): Promise<Line[]> {
  const folder = join(gateway.dataDir, "requests");
  let found: Line[] = [];
  await waitFor(async () => {
    const names = await Array.fromAsync(Deno.readDir(folder)).catch((error) => {
      // Nothing was asked yet.
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    });
    const texts = await Promise.all(
      names.map(({ name }) => Deno.readTextFile(join(folder, name))),
    );
    const whole = texts.flatMap((text) => text.split("\n").slice(0, -1));
    found = whole.map((line) => JSON.parse(line));
    return found.length >= count;
  }, () => `${count} requests in ${folder}, not ${found.length}`);
  return found;
}

Deno.test({
  name: "the documents' Python runs, and its streams come whole when instances break off",
  // tests/e2e/clients/python/prepare.sh makes it; CI does so first.
  ignore: !await isReady(),
  async fn() {
    const all = [...await snippets("README.md"), ...await snippets("docs/guides/clients.md")];
    assert.equal(all.length, 3);
    for (const snippet of all) {
      await using fleet = await startFleet();
      const streamsOnly = snippet.includes("stream=True");
      // A whole answer that breaks off is asked for anew, once: there is one that does not.
      for (const index of streamsOnly ? [0, 1] : [0]) {
        await fleet.simulators.fail(index, "cut:8", { count: 1 });
      }
      const said = await run(snippet, fleet);
      assert.ok(said.length > 20, said);
      const seen = await lines(fleet, streamsOnly ? 1 : 2);
      for (const line of seen) assert.equal(line.outcome, "complete", line.error);
      assert.equal(seen.filter(({ stream }) => stream).length, 1);
      if (streamsOnly) assert.ok(seen[0].resumes.length > 0, "it was resumed");
      assert.ok(seen.some(({ attempts }) => attempts.length > 1), "none broke off");
    }
  },
});
