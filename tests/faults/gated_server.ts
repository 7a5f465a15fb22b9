// An instance that holds every request until the test lets it go: which requests are in flight at
// once, and who waits elsewhere, is then no matter of time.

import { waitFor } from "../support/wait.ts";

/** One request that an instance holds or held. */
export interface HeldCall {
  /** Content of the request's last message: tests give each request its own. */
  readonly name: string;
  /** Answers it: 200 with a whole completion, else an error of this status. */
  release(status?: number): void;
  /** True once its answer is on the way. */
  released: boolean;
  /** True once the caller closed the connection before that. */
  aborted: boolean;
}

export interface GatedServer extends AsyncDisposable {
  /** Base URL, ending in /v1. */
  readonly url: string;
  /** Every request so far, in the order they came. */
  readonly calls: HeldCall[];
  /** Most requests that it ever held at once. */
  readonly most: number;
  /** Waits for so many requests in all. */
  came(count: number): Promise<void>;
  /** From now on nothing is held any more. */
  open(): void;
  /** From now on everything is held again. */
  shut(): void;
}

/** Starts it on a free port of 127.0.0.1. GET /health answers 200. */
export function startGated(): GatedServer {
  const calls: HeldCall[] = [];
  let held = 0;
  let most = 0;
  let isOpen = false;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.method === "GET") return new Response(null);
    const { messages } = await request.json();
    most = Math.max(most, ++held);
    let answer!: (response: Response) => void;
    const response = new Promise<Response>((resolve) => answer = resolve);
    const call: HeldCall = {
      name: messages.at(-1).content,
      released: false,
      aborted: false,
      release(status = 200) {
        if (call.released || call.aborted) return;
        call.released = true;
        held--;
        answer(status === 200 ? completion(call.name) : failure(status));
      },
    };
    request.signal.addEventListener("abort", () => {
      if (call.released) return;
      call.aborted = true;
      held--;
      answer(new Response(null));
    });
    calls.push(call);
    if (isOpen) call.release();
    return await response;
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/v1`,
    calls,
    get most() {
      return most;
    },
    came: (count) =>
      waitFor(
        () => calls.length >= count,
        () => `${count} requests; there were ${calls.map(({ name }) => name).join(", ") || "none"}`,
      ),
    open() {
      isOpen = true;
      for (const call of calls) call.release();
    },
    shut() {
      isOpen = false;
    },
    async [Symbol.asyncDispose]() {
      for (const call of calls) call.release();
      await server.shutdown();
    },
  };
}

function completion(content: string): Response {
  return Response.json({
    id: "chatcmpl-gated",
    object: "chat.completion",
    created: 1,
    model: "demo",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  });
}

function failure(status: number): Response {
  return Response.json({ error: { message: "on purpose", type: "Test", code: status } }, {
    status,
  });
}
