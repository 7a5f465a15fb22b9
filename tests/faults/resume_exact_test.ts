// resume: exact. Instances are asked for token ids, the client never sees them, and another instance
// goes on at the very token.

import assert from "node:assert/strict";
import { startGateway, startSimulators } from "../support/processes.ts";
import { chatText, readSse, type SseAnswer } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";

const messages = [{ role: "user", content: "tell me something long, please" }];

async function stand(options: Record<string, unknown> = {}, args: string[] = []) {
  const simulators = await startSimulators({ count: 2, args });
  const gateway = await startGateway({
    config: {
      instances: simulators.urls.map((url, index) => ({
        url,
        model_name: "demo",
        name: `sim-${index}`,
      })),
      resume: "exact",
      health_check: false,
      ...options,
    },
  });
  return {
    simulators,
    gateway,
    async direct(path: string, body: unknown): Promise<SseAnswer> {
      return await readSse(
        await fetch(simulators.origins[1] + path, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        }),
      );
    },
    async resumes(): Promise<string[]> {
      const folder = `${gateway.dataDir}/requests_responses`;
      let text = "";
      await waitFor(async () => {
        text = "";
        try {
          for await (const { name } of Deno.readDir(folder)) {
            text += await Deno.readTextFile(`${folder}/${name}`);
          }
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
        return text !== "";
      }, "the record");
      assert.ok(!text.includes("token_ids"), "no ids in the record");
      return text.trim().split("\n").flatMap((line) =>
        JSON.parse(JSON.parse(line).meta).resumed ?? []
      )
        .map((resumed: { way: string }) => resumed.way);
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await simulators[Symbol.asyncDispose]();
    },
  };
}

function ids(answer: SseAnswer): unknown[] {
  return answer.json.flatMap((chunk) => [
    chunk.prompt_token_ids ?? [],
    ...(chunk.choices ?? []).flatMap((choice: Record<string, unknown>) => [
      choice.token_ids ?? [],
      choice.prompt_token_ids ?? [],
    ]),
  ]).flat();
}

const usage = (answer: SseAnswer) => answer.json.findLast((chunk) => chunk.usage)?.usage;

Deno.test("a chat answer goes on at the very token, through the completions API", async () => {
  await using s = await stand();
  await s.simulators.fail(0, "cut:7", { count: 1 });
  const request = {
    model: "demo",
    stream: true,
    stream_options: { include_usage: true },
    messages,
    temperature: 0,
    max_tokens: 40,
  };
  const whole = await s.direct("/v1/chat/completions", request);
  const answer = await readSse(await s.gateway.post("/v1/chat/completions", request));
  assert.ok(answer.done);
  assert.deepEqual({ ...chatText(answer) }, { ...chatText(whole) });
  assert.deepEqual(ids(answer), []);
  assert.equal(new Set(answer.json.map((chunk) => chunk.id)).size, 1);
  assert.deepEqual(
    new Set(answer.json.map((chunk) => chunk.object)),
    new Set(["chat.completion.chunk"]),
  );
  for (const field of ["prompt_tokens", "completion_tokens", "total_tokens"]) {
    assert.equal(usage(answer)?.[field], usage(whole)?.[field], field);
  }
  const [asked] = (await s.simulators.requests(1)).filter((one) => one.path === "/v1/completions");
  assert.ok(asked, "the second instance was asked by token ids");
  assert.deepEqual(await s.resumes(), ["exact"]);
});

Deno.test("text completions go on at the very token", async () => {
  await using s = await stand();
  await s.simulators.fail(0, "cut:5", { count: 1 });
  const request = { model: "demo", stream: true, prompt: "once upon a time", max_tokens: 30 };
  const text = (answer: SseAnswer) =>
    answer.json.map((chunk) => chunk.choices[0]?.text ?? "").join("");
  const whole = await s.direct("/v1/completions", request);
  const answer = await readSse(await s.gateway.post("/v1/completions", request));
  assert.ok(answer.done);
  assert.equal(text(answer), text(whole));
  assert.deepEqual(ids(answer), []);
  assert.deepEqual(await s.resumes(), ["exact"]);
});

Deno.test("an undisturbed answer shows nothing of the ids", async () => {
  await using s = await stand();
  const request = { model: "demo", stream: true, messages, max_tokens: 12 };
  const whole = await s.direct("/v1/chat/completions", request);
  const answer = await readSse(await s.gateway.post("/v1/chat/completions", request));
  assert.deepEqual(ids(answer), []);
  assert.deepEqual({ ...chatText(answer) }, { ...chatText(whole) });
  assert.deepEqual(await s.resumes(), []);
});

Deno.test("a client that asks for the ids itself gets them untouched", async () => {
  await using s = await stand();
  const request = { model: "demo", stream: true, messages, max_tokens: 12, return_token_ids: true };
  const whole = await s.direct("/v1/chat/completions", request);
  const answer = await readSse(await s.gateway.post("/v1/chat/completions", request));
  assert.ok(ids(whole).length > 12);
  assert.deepEqual(ids(answer), ids(whole));
});

Deno.test("text that looks like ids stays as it is", async () => {
  const said = 'a field "token_ids":[1,2] and "prompt_token_ids": [3]';
  await using s = await stand({}, ["--answer", said]);
  const request = { model: "demo", stream: true, messages, max_tokens: 200 };
  const answer = await readSse(await s.gateway.post("/v1/chat/completions", request));
  assert.equal(chatText(answer).content, said);
});

Deno.test("text that was held back for a stop string comes from its tokens", async () => {
  await using s = await stand();
  await s.simulators.fail(0, "cut:9", { count: 1 });
  // Text that may yet become the stop string is held back: behind the last text there are tokens.
  const stop = ["nowhere in the answer"];
  const request = { model: "demo", stream: true, messages, max_tokens: 40, stop };
  const whole = await s.direct("/v1/chat/completions", request);
  const answer = await readSse(await s.gateway.post("/v1/chat/completions", request));
  assert.ok(answer.done);
  assert.deepEqual({ ...chatText(answer) }, { ...chatText(whole) });
  assert.deepEqual(await s.resumes(), ["exact"]);
});

for (const cutAt of [7, 18]) {
  for (const shown of [undefined, false, true]) {
    const skips = shown === undefined ? {} : { skip_special_tokens: !shown };
    const name = `special tokens that a server ${shown ? "shows" : "hides"}` +
      `${shown === false ? " as it is told" : ""} are so behind a break at ${cutAt}`;
    Deno.test(`${name}, in chat and completions`, async () => {
      await using s = await stand({}, ["--tokens", "12"]);
      for (const path of ["/v1/chat/completions", "/v1/completions"]) {
        await s.simulators.fail(0, `cut:${cutAt}`, { count: 1 });
        await s.simulators.fail(1, `cut:${cutAt}`, { count: 1 });
        const request = {
          ...{ model: "demo", stream: true, max_tokens: 40, ignore_eos: true, ...skips },
          ...path.includes("chat") ? { messages } : { prompt: "tell me something long" },
        };
        const text = (answer: SseAnswer) =>
          answer.json.map(({ choices: [choice] }) => choice?.text ?? choice?.delta?.content ?? "")
            .join("");
        const answer = await readSse(await s.gateway.post(path, request));
        for (const index of [0, 1]) await s.simulators.reset(index);
        const whole = await s.direct(path, request);
        assert.equal(text(whole).includes("<|im_end|>"), shown === true);
        assert.ok(answer.done);
        assert.equal(text(answer), text(whole));
      }
    });
  }
}

const SPOKEN = 'Grüße 🎉 an 北京, "quoted" and more of it, so that it goes on for a while';

for (const path of ["/v1/chat/completions", "/v1/completions"]) {
  Deno.test(`${path}: a stop string that reaches over breaks ends the answer where it begins`, async () => {
    await using s = await stand({}, ["--byte-tokens", "--odd-pieces", "--answer", SPOKEN]);
    for (const stop of ["an 北京", 'ed" and']) {
      const request = {
        ...{ model: "demo", stream: true, stop, temperature: 0, max_tokens: 60 },
        stream_options: { include_usage: true },
        ...path.includes("chat") ? { messages } : { prompt: "tell me something" },
      };
      const text = (answer: SseAnswer) =>
        answer.json.map(({ choices: [choice] }) => choice?.text ?? choice?.delta?.content ?? "")
          .join("");
      const whole = await s.direct(path, request);
      for (let chunks = 1; chunks < 36; chunks++) {
        for (const index of [0, 1]) await s.simulators.fail(index, `cut:${chunks}`, { count: 1 });
        const answer = await readSse(await s.gateway.post(path, request));
        for (const index of [0, 1]) await s.simulators.reset(index);
        assert.ok(answer.done, `cut at ${chunks}`);
        assert.equal(text(answer), text(whole), `cut at ${chunks}`);
        const ends = answer.json.flatMap(({ choices }) => choices).filter((one) =>
          one.finish_reason
        );
        assert.deepEqual(ends.map((one) => [one.finish_reason, one.stop_reason]), [["stop", stop]]);
        assert.equal(
          usage(answer)?.completion_tokens,
          usage(whole)?.completion_tokens,
          `${chunks}`,
        );
        assert.equal(usage(answer)?.prompt_tokens, usage(whole)?.prompt_tokens);
      }
    }
  });
}

Deno.test("an instance that has not seen the stop string is left with it", async () => {
  await using s = await stand({}, ["--answer", SPOKEN, "--tokens-per-second", "40"]);
  const stop = "quoted";
  const request = { model: "demo", stream: true, messages, stop, max_tokens: 10_000 };
  const whole = await s.direct("/v1/chat/completions", request);
  let crossed = 0;
  for (let chunks = 4; chunks < 16 && crossed === 0; chunks++) {
    await s.simulators.fail(0, `cut:${chunks}`, { count: 1 });
    await s.simulators.fail(1, `cut:${chunks}`, { count: 1 });
    const answer = await readSse(
      await s.gateway.post("/v1/chat/completions", { ...request, ignore_eos: true }),
    );
    assert.equal(chatText(answer).content, chatText(whole).content, `cut at ${chunks}`);
    const requests = async () => [
      ...await s.simulators.requests(0),
      ...await s.simulators.requests(1),
    ];
    const ended = async () => (await requests()).every((one) => one.finished || one.aborted);
    await waitFor(ended, "the instances to see what became of their answers");
    const asked = await requests();
    crossed += asked.filter(({ path, aborted }) => path === "/v1/completions" && aborted).length;
    for (const index of [0, 1]) await s.simulators.reset(index);
  }
  assert.ok(crossed > 0, "an instance was left");
});

Deno.test("what the client has nothing of is asked for anew: it may be a thought", async () => {
  const args = ["--reasoning", "6", "--reasoning-parser", "qwen3", "--tokens", "10"];
  await using s = await stand({}, args);
  const request = { model: "demo", stream: true, messages, max_tokens: 60 };
  const whole = await s.direct("/v1/chat/completions", request);
  assert.notEqual(chatText(whole).reasoning, "");
  for (const more of [{}, { return_token_ids: true }]) {
    for (let chunks = 1; chunks < 6; chunks++) {
      for (const index of [0, 1]) await s.simulators.fail(index, `cut:${chunks}`, { count: 1 });
      const answer = await readSse(
        await s.gateway.post("/v1/chat/completions", { ...request, ...more }),
      );
      for (const index of [0, 1]) await s.simulators.reset(index);
      const { content, reasoning, finishReason } = chatText(answer);
      const { content: said, reasoning: thought } = chatText(whole);
      assert.deepEqual([content, reasoning, finishReason], [said, thought, "stop"], `${chunks}`);
    }
  }
});

Deno.test("a client that asks for the ids gets each once, also of a character in several tokens", async () => {
  await using s = await stand({ resume: "auto" }, [
    ...["--byte-tokens", "--odd-pieces", "--answer", "Grüße 🎉 an 北京, und mehr"],
  ]);
  for (const path of ["/v1/chat/completions", "/v1/completions"]) {
    const request = {
      ...{ model: "demo", stream: true, max_tokens: 60, return_token_ids: true },
      ...path.includes("chat") ? { messages } : { prompt: "tell me something" },
    };
    const whole = chatText(await s.direct(path, request));
    for (let chunks = 1; chunks < whole.tokenIds.length; chunks++) {
      for (const index of [0, 1]) await s.simulators.fail(index, `cut:${chunks}`, { count: 1 });
      const answer = await readSse(await s.gateway.post(path, request));
      for (const index of [0, 1]) await s.simulators.reset(index);
      assert.deepEqual({ ...chatText(answer) }, { ...whole }, `${path}, cut at ${chunks}`);
    }
  }
});

Deno.test("a token that ends an answer behind a break has no text, and no stop string ends in it", async () => {
  await using s = await stand({}, ["--answer", "one two three four five six day"]);
  const request = { model: "demo", stream: true, prompt: "tell", max_tokens: 30 };
  const text = (answer: SseAnswer) => answer.json.map(({ choices: [one] }) => one.text).join("");
  const path = "/v1/completions";
  const six = ids(await s.direct(path, { ...request, return_token_ids: true })).at(-3);
  for (const stop of ["nowhere", "five s"]) {
    const stops = { ...request, stop, stop_token_ids: [six] };
    for (const cut of [2, 5]) {
      await s.simulators.fail(0, `cut:${cut}`, { count: 1 });
      await s.simulators.fail(1, `cut:${cut}`, { count: 1 });
      const answer = await readSse(await s.gateway.post(path, stops));
      for (const index of [0, 1]) await s.simulators.reset(index);
      const last = answer.json.at(-1).choices[0];
      assert.equal(text(answer), text(await s.direct(path, stops)));
      assert.equal(text(answer), "one two three four five");
      assert.deepEqual([last.finish_reason, last.stop_reason], ["stop", six]);
    }
  }
});
