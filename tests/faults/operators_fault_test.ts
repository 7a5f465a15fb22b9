// An instance that refuses the gateway's own key, or its only model, in every API and every place where it
// can say so: others answer, it is out, and the client never hears of it.

import assert from "node:assert/strict";
import { gatewayFor } from "../support/gateway_for.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";

const KEY = "sk-of-the-operator";

/** A whole answer and a whole stream of each API. */
const APIS = {
  "/v1/chat/completions": [
    {
      id: "c",
      object: "chat.completion",
      created: 1,
      model: "demo",
      choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }],
    },
    [
      {
        id: "c",
        object: "chat.completion.chunk",
        created: 1,
        model: "demo",
        choices: [{ index: 0, delta: { content: "hi" }, finish_reason: "stop" }],
      },
    ],
  ],
  "/v1/completions": [
    {
      id: "c",
      object: "text_completion",
      created: 1,
      model: "demo",
      choices: [{ index: 0, text: "hi", finish_reason: "stop" }],
    },
    [
      {
        id: "c",
        object: "text_completion",
        created: 1,
        model: "demo",
        choices: [{ index: 0, text: "hi", finish_reason: "stop" }],
      },
    ],
  ],
  "/v1/messages": [
    {
      id: "m",
      type: "message",
      role: "assistant",
      model: "demo",
      content: [{ type: "text", text: "hi" }],
      stop_reason: "end_turn",
      usage: { input_tokens: 1, output_tokens: 1 },
    },
    [
      { type: "message_start", message: { id: "m", type: "message", role: "assistant" } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "hi" } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn" } },
      { type: "message_stop" },
    ],
  ],
  "/v1/responses": [
    {
      id: "resp_1",
      object: "response",
      status: "completed",
      model: "demo",
      error: null,
      output: [
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "hi" }] },
      ],
    },
    [
      { type: "response.created", response: { id: "resp_1", status: "in_progress" } },
      { type: "response.output_text.delta", delta: "hi" },
      {
        type: "response.completed",
        response: { id: "resp_1", status: "completed", output: [], error: null },
      },
    ],
  ],
  "/v1/embeddings": [{ object: "list", data: [{ index: 0, embedding: [1] }] }, null],
} as const;

function events(path: string, list: readonly object[]): Response {
  const named = path === "/v1/messages" || path === "/v1/responses";
  const text = list.map((one) => {
    const type = "type" in one ? `event: ${one.type}\n` : "";
    return `${named ? type : ""}data: ${JSON.stringify(one)}\n\n`;
  }).join("");
  return new Response(named ? text : `${text}data: [DONE]\n\n`, {
    headers: { "content-type": "text/event-stream" },
  });
}

const ERRORS: readonly [what: string, status: number, error: (path: string) => object][] = [
  ["401", 401, () => ({ error: { message: `bad key ${KEY}`, type: "Unauthorized", code: 401 } })],
  ["403", 403, () => ({ error: { message: "no access", type: "PermissionDenied", code: 403 } })],
  [
    "404",
    404,
    (path) =>
      path === "/v1/messages"
        ? { type: "error", error: { type: "not_found_error", message: "model: demo" } }
        : {
          error: {
            message: "The model `demo` does not exist.",
            type: "NotFoundError",
            param: "model",
            code: 404,
          },
        },
  ],
];

/** Where the error stands. */
const PLACES = {
  status: (_path: string, status: number, error: object) => Response.json(error, { status }),
  body: (_path: string, _status: number, error: object) => Response.json(error),
  stream: (path: string, _status: number, error: object) =>
    events(path, [
      path === "/v1/messages" && !("type" in error) ? { type: "error", ...error } : error,
    ]),
};

function asked(instance: Upstream): number {
  return instance.seen.filter(({ method }) => method === "POST").length;
}

for (const [what, status, error] of ERRORS) {
  for (const [place, answer] of Object.entries(PLACES)) {
    Deno.test(`${what} as ${place} is the operator's: others answer, in every API`, async () => {
      await using well = startUpstream();
      await using bad = startUpstream();
      for (const [path, [whole, stream]] of Object.entries(APIS)) {
        for (const streamed of [false, true]) {
          if ((streamed && stream === null) || (place === "stream" && !streamed)) continue;
          // What an embedding server says in a 200 is not read.
          if (path === "/v1/embeddings" && place !== "status") continue;
          const own = error(path);
          bad.answer = ({ method }) =>
            method === "GET" ? new Response(null, { status: 404 }) : answer(path, status, own);
          well.answer = ({ method }) =>
            method === "GET"
              ? new Response(null, { status: 404 })
              : streamed
              ? events(path, stream!)
              : Response.json(whole);
          const before = asked(bad);
          await using gateway = await gatewayFor([
            { url: bad.url, api_key: KEY, name: "bad" },
            { url: well.url, api_key: KEY, name: "well" },
          ], { health_check: false, record: { enabled: false } });
          for (let round = 0; round < 3; round++) {
            const response = await gateway.post(path, {
              model: "demo",
              messages: [],
              prompt: "x",
              input: "x",
              max_tokens: 2,
              stream: streamed,
            });
            const text = await response.text();
            const said = `${path}, streamed ${streamed}: ${text}`;
            assert.equal(response.status, 200, said);
            assert.equal(response.headers.get("x-gateway-instance"), "well", said);
            assert.doesNotMatch(text, /"error":\s*\{|sk-of/, said);
          }
          // Once, and then it is out.
          assert.equal(asked(bad) - before, 1, `${path}, streamed ${streamed}`);
          await waitFor(() => /misconfigured/.test(gateway.output()), () => gateway.output());
          await gateway.stop();
          assert.ok(!gateway.output().includes(KEY));
        }
      }
    });
  }
}

Deno.test("where the key is the client's own, its refusal is the client's, in a stream as well", async () => {
  await using instance = startUpstream();
  await using gateway = await gatewayFor(instance.url, { health_check: false });
  const [, , error] = ERRORS[0];
  const refusal = error("/v1/chat/completions");
  for (const [place, answer] of Object.entries(PLACES)) {
    instance.answer = () => answer("/v1/chat/completions", 401, refusal);
    const response = await gateway.post("/v1/chat/completions", {
      model: "demo",
      messages: [],
      stream: place === "stream",
    });
    assert.equal(response.status, place === "stream" ? 200 : 401);
    assert.match(await response.text(), /bad key/);
  }
  const health = await fetch(`${gateway.url}/health`).then((response) => response.json());
  assert.equal(health.instances[0].state, "healthy");
});
