// Many streams that break at once, of which nobody can go on: they wait without a storm, neither on the
// dead instance nor on the one that has just come back, and none is lost.

import assert from "node:assert/strict";
import { chatText, readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { chatBody, exactRecordsOf, settled, startGatewayFor } from "./fleet.ts";
import { chunk, type OddCall, startOddServer } from "./odd_server.ts";

const STREAMS = 30;
const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

Deno.test("broken streams look for a dead instance by turns, and come back to it by degrees", async () => {
  let phase: "well" | "dead" | "back" = "well";
  const looks: OddCall[] = [];
  /** Calls that were there together before the first of them was answered. */
  let first = 0;
  let answered = 0;
  await using instance = await startOddServer((call) => {
    if (phase === "well") {
      call.write(
        HEAD + chunk({ role: "assistant", content: "begun" }) + chunk({ content: " and" }),
      );
    } else if (phase === "dead") {
      looks.push(call);
      call.reset();
    } else {
      if (answered === 0) first++;
      setTimeout(() => {
        answered++;
        call.write(HEAD + chunk({ role: "assistant", content: " ended" }));
        call.write(chunk({}, "stop") + "data: [DONE]\n\n");
        call.end();
      }, 150);
    }
  });
  await using gateway = await startGatewayFor([instance.url], { resume: "continue" });
  const answers = Array.from(
    { length: STREAMS },
    async () =>
      await readSse(await gateway.post("/v1/chat/completions", chatBody({ stream: true }))),
  );
  await waitFor(() => instance.calls.length === STREAMS, "all streams");
  phase = "dead";
  for (const call of [...instance.calls]) call.reset();
  const until = performance.now() + 2500;
  await waitFor(
    () => performance.now() > until && looks.length >= 3,
    () => `an outage in which it is looked for; ${looks.length} looks`,
  );
  assert.ok(looks.length < STREAMS, `without a storm: ${looks.length} looks`);
  phase = "back";
  for (const answer of await Promise.all(answers)) {
    assert.ok(answer.done);
    assert.equal(chatText(answer).content, "begun and ended");
  }
  assert.ok(first <= 4, `${first} at once when it had just come back`);
  await exactRecordsOf(gateway, STREAMS, 0);
  await settled(gateway);
});
