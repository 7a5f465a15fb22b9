// The `simulate` command as a process.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, startProcess, startSimulators } from "../support/processes.ts";
import { ask } from "./stand.ts";

const command = (...args: string[]) =>
  startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "tests/support/simulate_main.ts"), ...args],
  });

Deno.test("every instance has a ready line, answers, and ends with exit code 0 on SIGTERM", async () => {
  await using simulators = await startSimulators({
    count: 2,
    args: ["--model", "m", "--seed", "4"],
  });
  assert.equal(new Set(simulators.ports).size, 2);
  assert.match(
    simulators.process.output(),
    /^simulated vLLM listening on http:\/\/127\.0\.0\.1:\d+\/v1 \(m\)$/m,
  );
  const answers = await Promise.all(simulators.urls.map(async (url) => {
    const response = await fetch(`${url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "m", messages: ask("a") }),
    });
    return (await response.json()).choices[0].message.content;
  }));
  assert.equal(answers[0], answers[1]);
  assert.equal((await simulators.requests(1))[0].path, "/v1/chat/completions");
  await simulators.stop();
  assert.equal((await simulators.process.status).code, 0);
});

Deno.test("ready lines can be JSON", async () => {
  await using child = command("--port", "0", "--json");
  const [line] = await child.waitForOutput(/^\{.*\}$/m);
  assert.deepEqual(Object.keys(JSON.parse(line)), ["url", "model"]);
});

Deno.test("a wrong flag, value or fault is named, with exit code 2", async () => {
  for (
    const [args, message] of [
      [["--colour"], /--colour/],
      [["--ttft", "soon"], /--ttft: expected a number, got `soon`/],
      [["--fail", "explode"], /unknown fault "explode"; there are .*refuse/],
      [["--port", "65530", "--count", "1000000"], /--count: expected 1 to 65535, got `1000000`/],
      [["--port", "65530", "--count", "7"], /--port: expected at most 65529 for 7 instances/],
      [["--reasoning-field", "thoughts"], /reasoning_content/],
    ] as const
  ) {
    await using child = command(...args);
    assert.equal((await child.status).code, 2);
    assert.match(child.stderr(), message);
  }
});

Deno.test("the help names every flag and fault and has examples", async () => {
  await using child = command("--help");
  assert.equal((await child.status).code, 0);
  for (const word of ["--port", "--ttft", "--fail", "engine-dead", "Examples", "x-simulate-fail"]) {
    assert.ok(child.stdout().includes(word), word);
  }
});
