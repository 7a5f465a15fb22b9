// Too few file descriptors, in a real process under a low limit: that is the gateway's own trouble. Clients
// are told so, no instance is blamed, idle clients make room, records are written, and it passes by itself.

import assert from "node:assert/strict";
import { waitFor } from "../support/wait.ts";
import { chatBody, type Fleet, healthOf, startFleet, startGatewayFor } from "./fleet.ts";
import { startOddServer } from "./odd_server.ts";

const ignore = Deno.build.os !== "linux";
const behindDenoServe = Deno.env.get("TEST_LISTENER") === "deno_serve";

/** Enough for the program itself, its workers and some clients. */
const FEW_FILES = 120;

async function limitFiles(pid: number, most: number): Promise<void> {
  const { success, stderr } = await new Deno.Command("prlimit", {
    args: ["--pid", String(pid), `--nofile=${most}:`],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** A client's connection on which one request after the other is sent. */
class Client implements Disposable {
  /** A character for each byte. */
  #text = "";
  #isClosed = false;
  readonly closed: Promise<void>;

  private constructor(readonly conn: Deno.TcpConn) {
    this.closed = this.#read().then(() => {
      this.#isClosed = true;
    });
  }

  static async open({ gateway }: Fleet): Promise<Client> {
    return new Client(await Deno.connect({ hostname: "127.0.0.1", port: gateway.port }));
  }

  async write(text: string): Promise<void> {
    try {
      await this.conn.write(new TextEncoder().encode(text));
    } catch {
      // Closed by the other side: `answer` tells.
    }
  }

  /** The status of the answer to a chat request, and its body. */
  async chat(): Promise<{ status: number; text: string }> {
    this.#text = "";
    const body = JSON.stringify(chatBody());
    await this.write(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n" +
        `content-length: ${body.length}\r\n\r\n${body}`,
    );
    return await this.answer();
  }

  /** What came so far. */
  get said(): string {
    return this.#text;
  }

  /** Status 0 where it was closed without one. */
  async answer(): Promise<{ status: number; text: string }> {
    await waitFor(() => this.#isWhole || this.#isClosed, () => `an answer, not ${this.#text}`);
    return { status: Number(this.#text.slice(9, 12)), text: this.#text };
  }

  /** Also of one that the other side has closed. */
  [Symbol.dispose](): void {
    try {
      this.conn.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  get #isWhole(): boolean {
    const [head, body] = this.#text.split("\r\n\r\n");
    if (body === undefined) return false;
    const length = /content-length: (\d+)/i.exec(head);
    return length === null ? body.endsWith("0\r\n") : body.length >= Number(length[1]);
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(16_384);
    try {
      for (let n = await this.conn.read(buffer); n !== null; n = await this.conn.read(buffer)) {
        this.#text += new TextDecoder("latin1").decode(buffer.subarray(0, n));
      }
    } catch {
      // Reset, or closed by the test: the connection is over either way.
    }
  }
}

/** Clients that have begun a request and do not go on with it. */
async function occupy(fleet: Fleet, count: number, begun = "POST /v1/"): Promise<Client[]> {
  const clients: Client[] = [];
  for (let i = 0; i < count; i++) {
    const client = await Client.open(fleet);
    if (begun !== "") await client.write(begun);
    clients.push(client);
  }
  return clients;
}

async function assertBlameless(fleet: Fleet): Promise<void> {
  const { instances } = await fleet.health();
  assert.deepEqual(instances.map(({ state }) => state), ["healthy", "healthy"]);
  assert.deepEqual(instances.map(({ recent_errors }) => recent_errors), [0, 0]);
}

/** In the file of alerts and in the log, also where there was no file for the alert when it was due. */
async function assertToldOnce(fleet: Fleet): Promise<void> {
  const told = async () =>
    (await fleet.errorLog()).split("\n").filter((line) => line.includes("instance=open files "));
  await waitFor(async () => (await told()).length > 0, "the alert");
  await fleet.gateway.process.waitForOutput(/ulimit -n/);
  const [first, ...others] = await told();
  assert.match(first, / system_limit .* error=.*ulimit -n.*LimitNOFILE/);
  assert.ok(others.every((line) => line.includes("state=resolved")), others.join("\n"));
  assert.equal(timesLogged(fleet, /ulimit -n/g), 1, fleet.gateway.output());
  assert.ok(timesLogged(fleet, /channel error_file failed/g) <= 1, fleet.gateway.output());
}

const timesLogged = ({ gateway }: Fleet, what: RegExp) => gateway.output().match(what)?.length ?? 0;

Deno.test({
  name:
    "files: a client too many gets 503, who is connected is served and recorded, one alert says why",
  ignore: ignore || behindDenoServe,
  async fn() {
    await using fleet = await startFleet({ maxFiles: FEW_FILES });
    using connected = await Client.open(fleet);
    assert.equal((await connected.chat()).status, 200);
    const busy: Client[] = [];
    let served = 1;
    // One that asks again and again is not idle, however slow the machine is.
    for (let i = 0; i < 12; i++, served++) {
      busy.push(...await occupy(fleet, 10));
      const { status, text } = await connected.chat();
      assert.equal(status, 200, `in round ${i}: ${text}`);
    }
    // What records and instances had open for a moment is somebody else's place now.
    let refused = "";
    await waitFor(async () => {
      busy.push(await Client.open(fleet));
      refused = busy.find((one) => one.said.startsWith("HTTP/1.1 503"))?.said ?? "";
      return refused.includes("ServiceUnavailableError");
    }, "a client to be one too many");
    assert.match(refused, /the gateway has no file descriptor left/);
    assert.match(refused, /"ServiceUnavailableError"/);
    await fleet.records(served, 0);
    await assertToldOnce(fleet);
    for (const client of busy) client[Symbol.dispose]();
    await waitFor(async () => {
      using again = await Client.open(fleet);
      return (await again.chat()).status === 200;
    }, "new clients to be served again");
    let metrics = "";
    const turnedAway = /^gateway_clients_turned_away_total\{reason="open_files"\} [1-9]/m;
    await waitFor(async () => {
      metrics = await (await fetch(`${fleet.gateway.url}/metrics`)).text();
      return turnedAway.test(metrics);
    }, () => metrics);
    await assertBlameless(fleet);
  },
});

Deno.test({
  name: "files: clients that are idle make room for those who ask",
  ignore: ignore || behindDenoServe,
  async fn() {
    await using fleet = await startFleet({ maxFiles: FEW_FILES });
    const idle: Client[] = [];
    let left = 0;
    await waitFor(async () => {
      for (const client of await occupy(fleet, 10, "")) {
        idle.push(client);
        client.closed.then(() => left++);
      }
      using asking = await Client.open(fleet);
      return left > 0 && (await asking.chat()).status === 200;
    }, "a client to be served in the place of an idle one");
    for (const client of idle) client[Symbol.dispose]();
    await assertBlameless(fleet);
  },
});

Deno.test({
  name: "files: without any for an instance the answer is 503, no strike, and soon as ever",
  ignore,
  async fn() {
    await using fleet = await startFleet({ config: { error_threshold: 2 } });
    const { pid } = fleet.gateway;
    using client = await Client.open(fleet);
    await client.write("GET /nothing HTTP/1.1\r\nhost: gateway\r\n\r\n");
    assert.equal((await client.answer()).status, 404);
    await limitFiles(pid, 1);
    for (let i = 0; i < 3; i++) {
      const { status, text } = await client.chat();
      assert.equal(status, 503, text);
      assert.match(text, /the gateway has no file descriptor left/);
    }
    await limitFiles(pid, 4096);
    await waitFor(async () => (await client.chat()).status === 200, "an answer");
    await assertBlameless(fleet);
    // Not a file was left for the alert either: it waited.
    await assertToldOnce(fleet);
  },
});

Deno.test({
  name: "files: a Deno.serve that ends for want of one is opened anew",
  ignore,
  async fn() {
    await using fleet = await startFleet({
      config: { listener: "deno_serve" },
      maxFiles: FEW_FILES,
    });
    assert.equal((await fleet.chat()).status, 200);
    const busy: Client[] = [];
    await waitFor(async () => {
      try {
        busy.push(...await occupy(fleet, 10));
      } catch {
        // Nobody listens at the moment.
      }
      return timesLogged(fleet, /ulimit -n/g) > 0;
    }, "the limit to be met");
    for (const client of busy) client[Symbol.dispose]();
    await waitFor(async () => {
      try {
        return (await fleet.chat()).status === 200;
      } catch {
        // Not yet.
        return false;
      }
    }, "an answer");
    await assertToldOnce(fleet);
  },
});

Deno.test({
  name: "files: a health check that cannot be made says nothing of the instance",
  ignore,
  async fn() {
    await using instance = await startOddServer((call) => {
      call.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}");
      call.end();
    });
    await using gateway = await startGatewayFor([instance.url], {
      health_check: { interval: 0.1 },
    });
    const asked = async (more: number) => {
      const before = instance.calls.length;
      await waitFor(() => instance.calls.length >= before + more, "checks");
    };
    await asked(3);
    await limitFiles(gateway.pid, 1);
    await waitFor(() => /ulimit -n/.test(gateway.output()), "a check to be refused");
    // In a second there are ten more, of which nothing is to be told.
    const until = performance.now() + 1000;
    await waitFor(() => performance.now() > until, "a second");
    await limitFiles(gateway.pid, 4096);
    await asked(3);
    const { instances } = await healthOf(gateway);
    assert.deepEqual(instances.map(({ state }) => state), ["healthy"]);
    await gateway.stop();
    assert.ok(!/instance_down/.test(gateway.output()), gateway.output());
  },
});
