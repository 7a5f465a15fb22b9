// Holds the server with the real model to vLLM's dialect, so that the tests that put the gateway in
// front of it stand on firm ground.

import assert from "node:assert/strict";
import { waitFor } from "../support/wait.ts";
import { unsupported } from "./engine.ts";
import { type RealModel, startRealModel } from "./start.ts";

const reason = unsupported();

interface Chunk {
  id: string;
  choices: {
    delta?: { role?: string; content?: string };
    text?: string;
    finish_reason: string | null;
    stop_reason?: string | null;
    token_ids?: number[] | null;
  }[];
  prompt_token_ids?: number[] | null;
  usage?: { prompt_tokens: number; completion_tokens: number };
}

async function post(real: RealModel, path: string, body: unknown): Promise<Response> {
  return await fetch(real.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function chunks(response: Response): Promise<Chunk[]> {
  const events = (await response.text()).trimEnd().split("\n\n");
  assert.equal(events.pop(), "data: [DONE]");
  return events.map((event) => JSON.parse(event.slice("data: ".length)) as Chunk);
}

const question = [{ role: "user", content: "What may I do with a copy?" }];
const exact = { model: "tiny", messages: question, temperature: 0 };

Deno.test({
  name: "the real model answers in vLLM's dialect" + (reason === null ? "" : `: ${reason}`),
  // Without its engine there is no real model; the name says why.
  ignore: reason !== null,
  fn: async (t) => {
    await using real = await startRealModel();
    const whole = await (await post(real, "/v1/chat/completions", exact)).json();
    const text = whole.choices[0].message.content as string;

    await t.step("it ends by itself, with usage", () => {
      assert.ok(text.length > 20, text);
      assert.equal(whole.choices[0].finish_reason, "stop");
      assert.equal(
        whole.usage.total_tokens,
        whole.usage.prompt_tokens + whole.usage.completion_tokens,
      );
    });

    await t.step("a stream carries the same text, a role chunk first, usage last", async () => {
      const list = await chunks(
        await post(real, "/v1/chat/completions", {
          ...exact,
          stream: true,
          stream_options: { include_usage: true },
        }),
      );
      assert.deepEqual(list[0].choices[0].delta, { role: "assistant", content: "" });
      assert.equal(list.map((c) => c.choices[0]?.delta?.content ?? "").join(""), text);
      assert.equal(list.at(-2)?.choices[0].finish_reason, "stop");
      assert.equal(list.at(-1)?.usage?.completion_tokens, whole.usage.completion_tokens);
    });

    await t.step("token ids of a broken stream continue it exactly at every point", async () => {
      const list = await chunks(
        await post(real, "/v1/chat/completions", {
          ...exact,
          stream: true,
          return_token_ids: true,
        }),
      );
      const prompt = list[0].prompt_token_ids ?? [];
      const ids = list.flatMap((c) => c.choices[0].token_ids ?? []);
      assert.equal(ids.length, whole.usage.completion_tokens);
      for (let cut = 1; cut < ids.length; cut += 5) {
        const seen = list.slice(1, 1 + cut).map((c) => c.choices[0].delta?.content ?? "").join("");
        const rest = await (await post(real, "/v1/completions", {
          model: "tiny",
          prompt: [...prompt, ...ids.slice(0, cut)],
          max_tokens: 500,
          temperature: 0,
        })).json();
        assert.equal(seen + rest.choices[0].text, text, `cut after ${cut} tokens`);
      }
    });

    await t.step(
      "an open assistant message is continued, and answered with only the rest",
      async () => {
        const begin = text.slice(0, text.indexOf(" ", 10));
        const rest = await (await post(real, "/v1/chat/completions", {
          ...exact,
          messages: [...question, { role: "assistant", content: begin }],
          continue_final_message: true,
          add_generation_prompt: false,
        })).json();
        assert.equal(begin + rest.choices[0].message.content, text);
        const both = await post(real, "/v1/chat/completions", {
          ...exact,
          continue_final_message: true,
          add_generation_prompt: true,
        });
        assert.equal(both.status, 400);
        await both.body?.cancel();
      },
    );

    await t.step("max_tokens, stop strings and seeds are kept", async () => {
      const short = await (await post(real, "/v1/chat/completions", { ...exact, max_tokens: 3 }))
        .json();
      assert.equal(short.choices[0].finish_reason, "length");
      assert.equal(short.usage.completion_tokens, 3);

      const word = text.slice(10, 16);
      const stopped = await (await post(real, "/v1/chat/completions", { ...exact, stop: word }))
        .json();
      assert.equal(stopped.choices[0].message.content, text.slice(0, text.indexOf(word)));
      assert.equal(stopped.choices[0].stop_reason, word);

      const drawn = async (seed: number) =>
        (await (await post(real, "/v1/chat/completions", {
          ...exact,
          temperature: 1,
          max_tokens: 30,
          seed,
        })).json()).choices[0].message.content as string;
      assert.equal(await drawn(7), await drawn(7));
      assert.notEqual(await drawn(7), await drawn(8));
    });

    await t.step("refusals have vLLM's shape", async () => {
      const unknown = await post(real, "/v1/chat/completions", { ...exact, model: "huge" });
      assert.equal(unknown.status, 404);
      assert.deepEqual((await unknown.json()).error, {
        message: "The model `huge` does not exist.",
        type: "NotFoundError",
        param: "model",
        code: 404,
      });
      const long = await post(real, "/v1/chat/completions", { ...exact, max_tokens: 100_000 });
      assert.equal(long.status, 400);
      await long.body?.cancel();
    });

    await t.step("a client that leaves ends the generation", async () => {
      await using slow = await startRealModel({ paceMs: 20 });
      const response = await post(slow, "/v1/chat/completions", {
        ...exact,
        stream: true,
        ignore_eos: true,
      });
      const reader = response.body!.getReader();
      await reader.read();
      await reader.cancel();
      let metrics = "";
      await waitFor(async () => {
        metrics = await (await fetch(`${slow.url}/metrics`)).text();
        return /^vllm:num_requests_running\{[^}]*\} 0$/m.test(metrics);
      }, () => metrics);
    });
  },
});
