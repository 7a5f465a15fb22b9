// What the trials hear of answers, tried on simulated instances: a trial that cannot find a fault would
// find none in a real vLLM either.

import assert from "node:assert/strict";
import { startSimulated } from "../../lib/simulate/instance.ts";
import { readSse, type SseAnswer } from "../support/sse.ts";
import { type Api, APIS, hear, isComplete, streamed } from "./apis.ts";
import { Scissors, startCuttingProxy } from "./cutting_proxy.ts";
import { judge } from "./cuts.ts";
import { Report, row } from "./report.ts";

async function ask(port: number, api: Api, fault?: string): Promise<SseAnswer> {
  const { model: _, ...body } = streamed(api, "Hello", 0, 200);
  return await readSse(
    await fetch(`http://127.0.0.1:${port}${api.path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...fault ? { "x-simulate-fail": fault } : {},
      },
      body: JSON.stringify(body),
    }),
  );
}

const startOne = () => startSimulated({ ttftS: 0, tokensPerSecond: 0, reasoningTokens: 5 });

Deno.test("a whole answer is complete in every API, with its parts and its usage", async () => {
  const instance = await startOne();
  try {
    for (const api of APIS) {
      const heard = hear(api, await ask(instance.port, api));
      assert.ok(isComplete(heard), `${api.name}: ${heard.error ?? heard.fault}`);
      assert.ok(heard.text.length > 20 && heard.prompt! > 0 && heard.completion! > 20, api.name);
      assert.equal(heard.thought !== "", api.name !== "completions");
    }
  } finally {
    await instance.close();
  }
});

Deno.test("an answer that is cut, aborted or ends in an error is not complete", async () => {
  const instance = await startOne();
  try {
    for (const api of APIS) {
      for (const fault of ["cut:9", "cut-clean:9", "error-event:9", "empty"]) {
        const heard = hear(api, await ask(instance.port, api, fault));
        assert.ok(!isComplete(heard), `${api.name} after ${fault}`);
      }
    }
    const [chat] = APIS;
    assert.ok(!isComplete(hear(chat, await ask(instance.port, chat, "abort:9"))));
  } finally {
    await instance.close();
  }
});

Deno.test("what is identical, different, told, lost or wrongly counted is booked as that", async () => {
  const instance = await startOne();
  try {
    const [chat] = APIS;
    const whole = hear(chat, await ask(instance.port, chat));
    const into = row("trial", "chat");
    judge(into, whole, whole, false);
    judge(into, { ...whole, text: whole.text.slice(1) }, whole, false);
    judge(into, { ...whole, completion: whole.completion! + 1 }, whole, false);
    judge(into, hear(chat, await ask(instance.port, chat, "error-event:9")), whole, false);
    judge(into, hear(chat, await ask(instance.port, chat, "cut-clean:9")), whole, false);
    const { trial: _, api: __, ...counts } = into;
    assert.deepEqual(counts, {
      ...{ answers: 5, identical: 2, different: 1, error: 1, lost: 1, usageWrong: 1 },
    });
    const report = new Report();
    report.rows.push(into);
    assert.equal(report.holds, false);
    assert.match(report.text(), /^5 answers broken or endangered, 4 not as they should be/m);
  } finally {
    await instance.close();
  }
});

Deno.test("the scissors cut one answer, after so many events, in each of their ways", async () => {
  const instance = await startOne();
  try {
    for (const how of ["reset", "end", "reset within the event"] as const) {
      const scissors = new Scissors();
      await using proxy = await startCuttingProxy(instance.port, scissors);
      scissors.arm(6, how);
      const [chat] = APIS;
      const broken = await ask(proxy.port, chat);
      assert.ok(!isComplete(hear(chat, broken)), how);
      assert.equal(broken.json.length, 6, how);
      assert.equal(scissors.cuts, 1);
      assert.ok(isComplete(hear(chat, await ask(proxy.port, chat))), how);
    }
  } finally {
    await instance.close();
  }
});
