// What policies cannot look at, and guards that give no verdict: it is told, never passed off as looked at.

import assert from "node:assert/strict";
import { startGateway } from "../../support/processes.ts";
import { chunk, completion, sse, startUpstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";

const metricsOf = async (url: string) => await (await fetch(`${url}/metrics`)).text();

Deno.test("61: embeddings and speech pass policies on texts, and are counted as unscanned", async () => {
  await using upstream = startUpstream(({ path }) =>
    path.includes("speech")
      ? new Response("sound", { headers: { "content-type": "audio/mpeg" } })
      : Response.json({ object: "list", data: [{ index: 0, embedding: [1] }] })
  );
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      policies: [{ name: "w", type: "words", words: ["secret"], on: "both", action: "cut" }],
    },
  });
  for (const path of ["/v1/embeddings", "/v1/audio/speech"]) {
    const response = await gateway.post(path, { model: "m", input: "a secret" });
    assert.equal(response.status, 200, path);
    await response.body?.cancel();
  }
  const counted = 'gateway_policy_errors_total{policy="w",reason="unscanned"} 2';
  await waitFor(async () => (await metricsOf(gateway.url)).includes(counted), () => counted);
});

Deno.test("54: a guard without a verdict is counted, and people are told, without a word of the text", async () => {
  await using upstream = startUpstream(() => completion("fine"));
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      policies: [{ name: "hook", type: "webhook", url: "http://127.0.0.1:9/", timeout: 1 }],
    },
  });
  const messages = [{ role: "user", content: "a telling word" }];
  const response = await gateway.post("/v1/chat/completions", { model: "m", messages });
  assert.equal(response.status, 200, "`fail` is open");
  await response.body?.cancel();
  await waitFor(
    async () =>
      /gateway_policy_errors_total\{policy="hook",reason="\w+"\} 1/.test(
        await metricsOf(gateway.url),
      ),
    () => "the fault to be counted",
  );
  await waitFor(() => /policy_failing/.test(gateway.output()), () => gateway.output());
  await gateway.stop();
  assert.ok(!gateway.output().includes("telling word"), "60");
});

Deno.test("62: while text is held a comment keeps the connection, and never stands within an event", async () => {
  const go = Promise.withResolvers<void>();
  const bytes = new TextEncoder();
  await using upstream = startUpstream(() =>
    new Response(
      new ReadableStream({
        async start(controller) {
          controller.enqueue(
            bytes.encode(`data: ${JSON.stringify(chunk({ content: "a sec" }))}\n\n`),
          );
          await go.promise;
          controller.enqueue(
            bytes.encode(`data: ${JSON.stringify(chunk({ content: "ond" }))}\n\n`),
          );
          controller.enqueue(bytes.encode(await sse([chunk({}, "stop"), "[DONE]"]).text()));
          controller.close();
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    )
  );
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      keepalive: 1,
      policies: [{ name: "w", type: "words", words: ["secret"], on: "answer", action: "cut" }],
    },
  });
  const messages = [{ role: "user", content: "hi" }];
  const body = { model: "m", messages, stream: true };
  const response = await gateway.post("/v1/chat/completions", body);
  let text = "";
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text.split(": keepalive").length > 2) go.resolve();
  }
  const blocks = text.split("\n\n").filter((one) => one !== "");
  for (const block of blocks) assert.match(block, /^(: keepalive|data: .*)$/);
  assert.ok(blocks.indexOf(": keepalive") < blocks.findIndex((one) => one.includes("a sec")));
});

Deno.test("41: bytes that come one by one make the same answer, in UTF-8 and in escapes", async () => {
  const events = ["x中", "文😀", "y"].map((content) => chunk({ content }));
  const plain = `${events.map((one) => `data: ${JSON.stringify(one)}\n\n`).join("")}`;
  const escaped = plain.replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const end = await sse([chunk({}, "stop"), "[DONE]"]).text();
  for (const said of [plain, escaped]) {
    const bytes = new TextEncoder().encode(said + end);
    await using upstream = startUpstream(() =>
      new Response(
        new ReadableStream({
          async start(controller) {
            for (const byte of bytes) {
              controller.enqueue(new Uint8Array([byte]));
              await Promise.resolve();
            }
            controller.close();
          },
        }),
        { headers: { "content-type": "text/event-stream" } },
      )
    );
    await using gateway = await startGateway({
      config: {
        instances: [{ url: upstream.url, model_name: "m" }],
        policies: [{ name: "w", type: "words", words: ["中文😀"], on: "answer", action: "mask" }],
      },
    });
    const messages = [{ role: "user", content: "hi" }];
    const body = { model: "m", messages, stream: true };
    const answer = await (await gateway.post("/v1/chat/completions", body)).text();
    const shown = answer.split("\n\n").filter((one) => one.startsWith("data: {"))
      .map((one) => JSON.parse(one.slice(6)).choices[0]?.delta?.content ?? "").join("");
    assert.equal(shown, "x***y");
  }
});

Deno.test("59: a compressed body is looked at, and a form is said not to be", async () => {
  await using upstream = startUpstream(() => completion("fine"));
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      policies: [{ name: "w", type: "words", words: ["secret"], on: "prompt", action: "reject" }],
    },
  });
  const question = { model: "m", messages: [{ role: "user", content: "a secret" }] };
  const zipped = new Blob([JSON.stringify(question)]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  const refused = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "content-encoding": "gzip" },
    body: await new Response(zipped).bytes(),
  });
  assert.equal(refused.status, 400);
  assert.ok(!(await refused.text()).includes("secret"), "60: never the word");
  const form = new FormData();
  form.set("model", "m");
  form.set("prompt", "a secret");
  form.set("file", new Blob(["sound"]), "a.wav");
  const passed = await fetch(`${gateway.url}/v1/audio/transcriptions`, {
    method: "POST",
    body: form,
  });
  await passed.body?.cancel();
  assert.equal(passed.status, 200);
  const counted = 'gateway_policy_errors_total{policy="w",reason="unscanned"} 1';
  await waitFor(async () => (await metricsOf(gateway.url)).includes(counted), () => counted);
});

Deno.test("46: a response that is fetched is looked at by the policies of every model it may be of", async () => {
  const part = { type: "output_text", text: "the secret is out", annotations: [] };
  const message = { id: "msg_1", type: "message", role: "assistant", content: [part] };
  const made = { id: "resp_1", object: "response", status: "completed", output: [message] };
  await using upstream = startUpstream(() => Response.json(made));
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: ["a", "b"] }],
      policies: [
        {
          name: "w",
          type: "words",
          words: ["secret"],
          on: "answer",
          action: "mask",
          models: ["b"],
        },
      ],
    },
  });
  const asked = await gateway.post("/v1/responses", { model: "b", input: "hi" });
  assert.match(await asked.text(), /the \*{6} is out/);
  const fetched = await fetch(`${gateway.url}/v1/responses/resp_1`);
  assert.match(await fetched.text(), /the \*{6} is out/);
});

Deno.test("61: an answer that nobody can look into does not pass where a policy would act on it, and is counted", async () => {
  const text = JSON.stringify(await completion("a secret").json());
  // A coding that nobody knows.
  const headers = { "content-type": "application/json", "content-encoding": "x-odd" };
  await using upstream = startUpstream(() => new Response(text, { headers }));
  for (const action of ["mask", "flag"]) {
    await using gateway = await startGateway({
      config: {
        instances: [{ url: upstream.url, model_name: "m" }],
        policies: [{ name: "w", type: "words", words: ["secret"], on: "answer", action }],
      },
    });
    const response = await gateway.post("/v1/chat/completions", {
      model: "m",
      messages: [{ role: "user", content: "hi" }],
    });
    const said = await response.text();
    assert.equal(response.status, action === "mask" ? 502 : 200, said);
    assert.equal(said.includes("secret"), action === "flag");
    const counted = 'gateway_policy_errors_total{policy="w",reason="unscanned"} 1';
    await waitFor(
      async () => (await metricsOf(gateway.url)).includes(counted),
      () => counted,
      10_000,
    );
    const { inFlight } = await gateway.health();
    assert.deepEqual(inFlight, [0]);
  }
});
