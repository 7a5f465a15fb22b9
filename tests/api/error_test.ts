// What an error text of an instance says: in the words of vLLM, OpenAI, Anthropic, SGLang and others, and
// of those who send nonsense.

import assert from "node:assert/strict";
import { errorInstead, MAX_MESSAGE, readError } from "../../lib/api/error.ts";
import { cpuMsOf } from "../support/cpu.ts";
import { body, holds, vllm } from "./error_words.ts";

const BUSY: [string, string, number | null, number][] = [
  [
    "vLLM's full queue",
    vllm(
      503,
      "Service Unavailable",
      "The engine is currently busy and cannot accept new requests. Please try again later or on a " +
        "different instance.",
    ),
    503,
    503,
  ],
  [
    "vLLM's backlog of prefills",
    vllm(
      503,
      "Service Unavailable",
      "The engine has reached its prefill token backlog limit. Please try again later.",
    ),
    503,
    503,
  ],
  [
    "vLLM's full queue within a stream",
    vllm(
      503,
      "Service Unavailable",
      "The engine is currently busy and cannot accept new requests.",
    ),
    200,
    503,
  ],
  ["SGLang", JSON.stringify({ message: "The request queue is full." }), 503, 503],
  ["TGI", JSON.stringify({ error: "Model is overloaded", error_type: "overloaded" }), 429, 429],
  [
    "Anthropic",
    JSON.stringify({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }),
    529,
    529,
  ],
  [
    "Anthropic within a stream",
    JSON.stringify({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }),
    null,
    529,
  ],
  [
    "OpenAI",
    body({
      message: "Rate limit reached for gpt-x. Please try again in 6m0s.",
      type: "tokens",
      param: null,
      code: "rate_limit_exceeded",
    }),
    null,
    429,
  ],
  ["a bare 429", "", 429, 429],
];

for (const [name, text, given, status] of BUSY) {
  Deno.test(`an instance that is full is busy, and nobody is at fault: ${name}`, () => {
    holds(readError(text, given), { busy: true, status, clients: false, shuttingDown: false });
  });
}

Deno.test("a 503 that says nothing of being full is none that is busy", () => {
  for (
    const text of [
      "",
      "<html><head><title>503 Service Temporarily Unavailable</title></head></html>",
      body({ code: 503, message: "Loading model", type: "unavailable_error" }),
      vllm(500, "InternalServerError", "EngineCore encountered an issue."),
      JSON.stringify({ error: "The model is currently scaling. Please try again later." }),
    ]
  ) holds(readError(text, 503), { busy: false, clients: false, status: 503 });
});

Deno.test("an instance says that its engine is dead, and one that quotes such words does not", () => {
  const dead = "EngineCore encountered an issue. See stack trace (above) for the root cause.";
  const older = "Engine loop is not running. Inspect the stacktrace to find the original error";
  for (const words of [dead, older, "Background loop has errored already."]) {
    for (const status of [500, null]) {
      const text = vllm(500, "InternalServerError", words);
      holds(readError(text, status), { engineDead: true, clients: false, status: 500 });
    }
  }
  const anthropic = JSON.stringify({
    type: "error",
    error: { type: "InternalServerError", message: dead },
  });
  holds(readError(anthropic, 500), { engineDead: true });
  for (
    const [status, words] of [
      [500, `cannot parse the tool call: ${dead}`],
      [500, "Internal server error"],
      [400, dead],
    ] as const
  ) holds(readError(vllm(status, "Error", words), status), { engineDead: false });
});

Deno.test("an instance that is shutting down is told from one that is broken or busy", () => {
  const text = vllm(
    500,
    "InternalServerError",
    "cannot schedule new futures after shutdown",
  );
  for (const status of [500, null]) {
    holds(readError(text, status), {
      shuttingDown: true,
      busy: false,
      clients: false,
      status: 500,
    });
  }
  holds(readError(body({ message: "The gateway is shutting down" }), 503), { shuttingDown: true });
});

Deno.test("the client's own fault is told by code, type or number, within a stream too", () => {
  for (
    const text of [
      body({ message: "no", type: "invalid_request_error", code: "content_policy_violation" }),
      body({ message: "no", code: "context_length_exceeded" }),
      body({ message: "no", type: "invalid_request_error" }),
      body({ message: "no", type: "BadRequestError" }),
      body({ message: "no", code: 400 }),
      body({ message: "no", code: "422" }),
      JSON.stringify({ object: "error", message: "no", code: 404 }),
    ]
  ) {
    assert.equal(readError(text).clients, true, text);
    assert.equal(readError(text, 200).clients, true, text);
  }
  for (const code of [408, 429, 500, 502, 503]) {
    assert.equal(readError(body({ message: "no", code })).clients, false, String(code));
  }
  assert.equal(readError(body({ message: "no" })).clients, false);
});

Deno.test("a status line of 5xx is believed before a type, a policy's code before the status line", () => {
  holds(readError(body({ message: "x", type: "invalid_request_error", code: 400 }), 500), {
    clients: false,
    status: 500,
  });
  holds(readError(body({ message: "x", code: "content_policy_violation" }), 500), {
    clients: true,
    status: 400,
  });
  holds(readError(vllm(500, "InternalServerError", "x"), 404), { status: 404, clients: true });
});

Deno.test("a refused key is told apart", () => {
  for (const status of [401, 403]) {
    holds(readError('{"error":"Unauthorized"}', status), {
      refusesKey: true,
      message: "Unauthorized",
    });
  }
  assert.equal(readError(body({ message: "bad key", code: "invalid_api_key" })).refusesKey, true);
  assert.equal(readError(body({ message: "no", code: 400 }), 400).refusesKey, false);
});

Deno.test("a 404 says whether the model is missing or the path", () => {
  const model = vllm(404, "NotFoundError", "The model `x` does not exist.", "model");
  assert.equal(readError(model, 404).lacks, "model");
  const openai = body({
    message: "no such",
    code: "model_not_found",
    type: "invalid_request_error",
  });
  assert.equal(readError(openai, 404).lacks, "model");
  const anthropic = {
    type: "error",
    error: { type: "not_found_error", message: "model: claude-x" },
  };
  assert.equal(readError(JSON.stringify(anthropic), 404).lacks, "model");
  assert.equal(readError('{"detail":"Not Found"}', 404).lacks, "path");
  assert.equal(readError(vllm(404, "NotFoundError", "Not Found"), 404).lacks, "path");
  const stored = vllm(404, "invalid_request_error", "Response with id 'resp_1' not found.");
  assert.equal(readError(stored, 404).lacks, null);
  assert.equal(readError(model, 400).lacks, null);
});

Deno.test("FastAPI's detail is read, as a text and as a list of complaints", () => {
  assert.equal(readError('{"detail":"Method Not Allowed"}', 405).message, "Method Not Allowed");
  const detail = [
    { type: "missing", loc: ["body", "messages", 0, "role"], msg: "Field required", input: {} },
    { type: "int_type", loc: ["body", "n"], msg: "Input should be a valid integer" },
  ];
  holds(readError(JSON.stringify({ detail }), 422), {
    message: "messages.0.role: Field required; n: Input should be a valid integer",
    param: "messages.0.role",
    clients: true,
  });
});

Deno.test("a failed response says what failed", () => {
  const response = { id: "r", error: { code: "server_error", message: "out of memory" } };
  holds(readError(JSON.stringify({ type: "response.failed", response })), {
    message: "out of memory",
    status: 500,
    code: "server_error",
    type: "",
  });
  holds(readError('{"type":"error","code":"500","message":"boom","param":null}'), {
    message: "boom",
    status: 500,
    code: "",
  });
});

Deno.test("how long to wait is read in the forms in which it is said", () => {
  const forms: [string, number | null][] = [
    ["Please try again in 20s.", 20],
    ["Please try again in 1.1 s.", 1.1],
    ["try again in 350ms", 0.35],
    ["Please try again in 6m0s.", 360],
    ["try again in 1h2m", 3720],
    ["Please retry after 5 s", 5],
    ["Please try again later.", null],
    ["in 20s", null],
  ];
  for (const [message, seconds] of forms) {
    assert.equal(readError(body({ message }), 429).retryAfterS, seconds, message);
  }
  assert.equal(readError(body({ message: "x", retry_after: 7 }), 429).retryAfterS, 7);
  const google = { code: 429, message: "x", details: [{ retryDelay: "30s" }] };
  assert.equal(readError(body(google), 429).retryAfterS, 30);
});

Deno.test("plain words and pages of proxies are messages as well", () => {
  assert.equal(readError("upstream connect error", 503).message, "upstream connect error");
  const page = "<html>\r\n<head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
  assert.equal(readError(page, 502).message, "502 Bad Gateway");
  assert.equal(readError("", 500).message, "");
  assert.equal(readError(new Uint8Array(0), 500).message, "");
});

Deno.test("no message brings control characters, tricks of writing or half a character along", () => {
  const { message } = readError(
    body({ message: "a\u0000b\r\nX: y\u001b[31m\u202edrow\u2028 \ud83d tail" }),
    500,
  );
  assert.equal(message, "a b X: y [31m drow tail");
  const long = readError(body({ message: "x".repeat(MAX_MESSAGE - 1) + "😀😀" }), 500).message;
  assert.equal(long.length, MAX_MESSAGE - 1);
  assert.ok(long.isWellFormed());
  assert.ok(readError("\u0001".repeat(1e6), 500).message.length <= MAX_MESSAGE);
});

Deno.test("whatever comes, something sensible is said of it, and soon", () => {
  const deep = `{"error":{"code":${"[".repeat(50_000)}${"]".repeat(50_000)}}}`;
  const hostile = [
    "null",
    "[]",
    "[1,2]",
    '"a text"',
    "{",
    '{"error":null}',
    '{"error":[]}',
    '{"error":{}}',
    '{"error":{"message":{"a":1},"code":{"x":[429]},"type":7,"param":[]}}',
    '{"error":{"code":[429]}}',
    '{"error":{"code":1e999}}',
    '{"error":{"message":"","code":-1}}',
    '{"detail":[null,1,{"loc":5,"msg":6},{"loc":[{}],"msg":"m"}]}',
    '{"__proto__":{"error":"x"}}',
    deep,
    body({ message: "model ".repeat(100_000) }),
    body({ message: "maximum context length is 99999999999999999999 tokens" }),
    body({ message: "maximum context length is 0 tokens" }),
    "\ud800",
    "{".repeat(1e6),
  ];
  const ms = cpuMsOf(() => {
    for (const text of hostile) {
      for (const status of [null, 200, 404, 429, 503]) {
        const found = readError(text, status);
        assert.ok(found.message.length <= MAX_MESSAGE);
        assert.ok(found.contextLength === null || found.contextLength > 0);
        assert.equal(readError(new TextEncoder().encode(text), status).status, found.status);
      }
    }
  });
  assert.ok(ms < 5000, `${ms} ms`);
});

Deno.test("an error in place of an answer is told from an answer", () => {
  for (
    const text of [
      '{"error":{"message":"quota","code":429}}',
      '{ "error" : "quota" }',
      '{"object":"error","message":"x","code":400}',
      '{"type":"error","error":{"type":"api_error","message":"x"}}',
      '{"id":"x","choices":[],"error":{"message":"late"}}',
      '{"id":"r","status":"failed","error":{"code":"server_error","message":"x"}}',
    ]
  ) assert.ok(errorInstead(text) !== null, text);
  for (
    const text of [
      '{"id":"r","status":"completed","error":null,"output":[]}',
      '{"choices":[{"message":{"content":"an \\"error\\""}}]}',
      '{"choices":[{"message":{"content":"error"}}],"error":{}}',
      '{"choices":[],"error":""}',
      '{"choices":[],"error":false}',
      "[]",
      "null",
      "",
      '"error"',
      '{"error":',
    ]
  ) assert.equal(errorInstead(text), null, text);
  assert.equal(errorInstead('{"error":{"message":"quota","code":429}}')?.busy, true);
});
