// The ten seconds of proof, played faster.

import assert from "node:assert/strict";
import { join } from "node:path";
import { runDemo } from "../../lib/cli/demo/run.ts";
import { ROOT } from "../support/processes.ts";

/** So slow that half of the answer is still to come when the other half is read, on a busy machine too. */
const SPEED = 80;

/** The lines that are the demo's own, but for names and figures. */
function own(text: string): string[] {
  return text.split("\n").filter((line) => /^(>>>|The gateway at)/.test(line))
    .map((line) => line.replace(/\d+/g, "N"));
}

Deno.test("the demo kills the instance that answers, and the answer goes on from the other", async () => {
  let painted = "";
  const write = (more: string) => painted += more;
  const code = await runDemo({ colours: true, tokensPerSecond: SPEED, write });
  assert.equal(code, 0, painted);
  // deno-lint-ignore no-control-regex -- colours begin with one
  const codes = /\x1b\[[\d;]*m/g;
  assert.equal(painted.match(codes)?.length, 4, painted);
  const text = painted.replace(codes, "");
  const [before, after] = text.split(/^>>> gpu-[12] is killed.*$/m);
  const [, killed] = /^>>> (gpu-[12]) is killed/m.exec(text)!;
  const [, survivor] = /^>>> (gpu-[12]) went on \(exact\); longest pause \d+ ms/m.exec(text)!;
  assert.notEqual(survivor, killed);
  assert.match(before, /A gateway stands between people/);
  assert.match(after, /what one began the other ends\.\n/);

  const readme = await Deno.readTextFile(join(ROOT, "README.md"));
  const shown = /^```text\n([^`]*?>>>[^`]*)```$/m.exec(readme)![1];
  assert.deepEqual(own(shown), own(text), "what the README shows is what it says");
});
