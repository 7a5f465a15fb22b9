// A door that closes while others on the port stay open, and one whose clients are sent to another: each
// request is answered, and with which answer a connection ends is told to the client.

import assert from "node:assert/strict";
import type { ClientReply, ClientRequest } from "../../lib/http/client.ts";
import { listenHttp1 } from "../../lib/server/listener/http1.ts";
import { listenOptions } from "../support/listen_options.ts";
import { waitFor, within } from "../support/wait.ts";

type Exchange = (request: ClientRequest, reply: ClientReply) => Promise<void>;

function open(handle: Exchange, port = 0) {
  const errors: unknown[] = [];
  const listener = listenHttp1({
    ...listenOptions(),
    port,
    reusePort: true,
    idleTimeoutS: 60,
    onError: (error) => errors.push(error),
  }, handle);
  return {
    listener,
    async [Symbol.asyncDispose]() {
      await listener.close();
      assert.deepEqual(errors, []);
    },
  };
}

const bytes = (text: string) => new TextEncoder().encode(text);

const answers: Exchange = (_, reply) => reply.send(200, [], bytes("whole"));

/** A client that keeps its connection. */
class Client implements Disposable {
  readonly #decoder = new TextDecoder();
  #text = "";
  #ended = false;

  private constructor(private readonly conn: Deno.TcpConn) {
    this.#read();
  }

  static async to(port: number): Promise<Client> {
    return new Client(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  get ended(): boolean {
    return this.#ended;
  }

  async ask(): Promise<void> {
    await this.conn.write(bytes("GET /x HTTP/1.1\r\nhost: a\r\n\r\n"));
  }

  /** What has come until one of `ends` did, taken out. */
  async until(...ends: string[]): Promise<string> {
    const found = () => ends.find((end) => this.#text.includes(end));
    await waitFor(() => found() !== undefined, () => `${ends.join(" or ")} in ${this.#text}`);
    const at = this.#text.indexOf(found()!) + found()!.length;
    const text = this.#text.slice(0, at);
    this.#text = this.#text.slice(at);
    return text;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(4096);
    for (;;) {
      // Closed by the test, it is interrupted.
      const count = await this.conn.read(buffer).catch(() => null);
      if (count === null) break;
      this.#text += this.#decoder.decode(buffer.subarray(0, count), { stream: true });
    }
    this.#ended = true;
  }

  [Symbol.dispose](): void {
    this.conn.close();
  }
}

/** The first request is answered by a stream that the test lets end, all others at once. */
function gated() {
  const gate = Promise.withResolvers<void>();
  let isFirst = true;
  const handle: Exchange = async (request, reply) => {
    if (!isFirst) return answers(request, reply);
    isFirst = false;
    reply.begin(200, [], null);
    await reply.write(bytes("first"));
    await gate.promise;
    await reply.write(bytes("last"));
    await reply.end();
  };
  return { handle, release: gate.resolve };
}

Deno.test("who is to come in by another door hears it with the next answer, and whoever comes then stays", async () => {
  await using door = open(answers);
  using before = await Client.to(door.listener.port);
  await before.ask();
  assert.doesNotMatch(await before.until("whole"), /connection: close/);
  door.listener.spread();
  await before.ask();
  assert.match(await before.until("whole"), /connection: close/);
  await waitFor(() => before.ended, "the connection to end");
  // By a coarse clock: those that come at the same moment are sent away as well.
  await waitFor(async () => {
    using after = await Client.to(door.listener.port);
    await after.ask();
    if (/connection: close/.test(await after.until("whole"))) return false;
    await after.ask();
    return !/connection: close/.test(await after.until("whole"));
  }, "a connection that stays");
});

Deno.test("an answer under way is not cut short by that, nor the request behind it lost", async () => {
  const { handle, release } = gated();
  await using door = open(handle);
  using client = await Client.to(door.listener.port);
  await client.ask();
  assert.doesNotMatch(await client.until("first"), /connection: close/);
  door.listener.spread();
  release();
  await client.until("0\r\n\r\n");
  await client.ask();
  assert.match(await client.until("whole"), /connection: close/);
  await waitFor(() => client.ended, "the connection to end");
});

Deno.test("a door that closes for good takes nobody in and answers those who are there", async () => {
  const { handle, release } = gated();
  await using door = open(handle);
  const { port } = door.listener;
  await using _other = open((_, reply) => reply.send(200, [], bytes("other")), port);
  // Which door a client comes to is the kernel's choice.
  using all = new DisposableStack();
  const clientOf = async (word: string): Promise<Client> => {
    for (;;) {
      const client = all.use(await Client.to(port));
      await client.ask();
      if ((await client.until(word, "other")).endsWith(word)) return client;
    }
  };
  const streaming = await clientOf("first");
  const idle = await clientOf("whole");
  await within(door.listener.leave(), "the door to close");
  const left = door.listener.left();
  for (let k = 0; k < 40; k++) {
    using client = await Client.to(port);
    await client.ask();
    await client.until("other");
  }
  await idle.ask();
  assert.match(await idle.until("whole"), /connection: close/);
  await waitFor(() => idle.ended, "the connection to end");
  release();
  await streaming.until("0\r\n\r\n");
  await streaming.ask();
  assert.match(await streaming.until("whole"), /connection: close/);
  await within(left, "the last connection to end");
});
