// A listener with a handler of the test's own, on real sockets.

import assert from "node:assert/strict";
import type { ClientReply, ClientRequest } from "../../lib/http/client.ts";
import { RequestError } from "../../lib/http/client.ts";
import { openAiErrorBody } from "../../lib/http/openai_error.ts";
import type { Listener, ListenOptions } from "../../lib/server/listener.ts";
import type { listenHttp1 } from "../../lib/server/listener/http1.ts";
import { ANY_BODY } from "../support/body_hold.ts";
import { listenOptions } from "../support/listen_options.ts";
import { rawRequest } from "../support/raw_http.ts";
import { waitFor } from "../support/wait.ts";

export const LIMIT_BYTES = 1 << 20;
const JSON_TYPE = [["content-type", "application/json"]] as const;
export const host = "host: a\r\n";

export type Exchange = (request: ClientRequest, reply: ClientReply) => Promise<void>;

/** A listener that counts what is going on in it. */
export class Door implements AsyncDisposable {
  readonly errors: unknown[] = [];
  /** Handlers that have begun, and that run. */
  begun = 0;
  running = 0;
  readonly listener: Listener;

  constructor(open: typeof listenHttp1, handle: Exchange, options: Partial<ListenOptions> = {}) {
    this.listener = open({
      ...listenOptions(),
      onError: (error) => this.errors.push(error),
      ...options,
    }, async (request, reply) => {
      this.begun++;
      this.running++;
      try {
        await handle(request, reply);
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        const body = openAiErrorBody(error.status, error.message);
        await reply.send(error.status, JSON_TYPE, body);
      } finally {
        this.running--;
      }
    });
  }

  get port(): number {
    return this.listener.port;
  }

  raw(parts: (string | Uint8Array)[], more: Partial<Parameters<typeof rawRequest>[0]> = {}) {
    return rawRequest({ port: this.port, parts, ...more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close();
    await waitFor(() => this.running === 0, "every handler to end");
    assert.deepEqual(this.errors, []);
  }
}

export const echo: Exchange = async (request, reply) => {
  const body = await request.readBody(LIMIT_BYTES, ANY_BODY);
  await reply.send(200, [["x-request", `${request.method} ${request.target}`]], body);
};

/** Checks that an answer is an error as the OpenAI API and vLLM give it. */
export function isOpenAiError(
  answer: { status: number | null; body: string },
  status: number,
): void {
  assert.equal(answer.status, status, answer.body);
  const { error } = JSON.parse(answer.body);
  assert.equal(error.code, status);
  assert.equal(typeof error.message, "string");
  assert.equal(typeof error.type, "string");
  assert.ok("param" in error);
}

export function ends(count: number) {
  return ({ text }: { text: string }) => text.split("HTTP/1.1 200").length > count;
}
