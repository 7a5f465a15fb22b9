// TLS in front, with the files changed under the running gateway: over both listeners, with real clients.

import assert from "node:assert/strict";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { Authority, type Signed } from "../support/certificates.ts";
import {
  type GatewayProcess,
  ROOT,
  startGateway,
  startProcess,
  startSimulators,
  temporaryFolder,
} from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

const LISTENERS = ["http1", "deno_serve"] as const;

const CHAT = { model: "m", messages: [{ role: "user", content: "hi" }], max_tokens: 5 };

interface StandOptions {
  args?: string[];
  simulate?: string[];
  /** Whether clients must bring a certificate of the authority's. */
  asksClients?: boolean;
  /** Descriptors that the gateway may have. */
  maxFiles?: number;
}

/** A gateway whose certificate lies in `folder`. */
class Stand implements AsyncDisposable {
  private constructor(
    readonly gateway: GatewayProcess,
    readonly authority: Authority,
    private readonly folder: string,
    private readonly rest: AsyncDisposableStack,
  ) {}

  static async open(
    options: Record<string, unknown>,
    { args = [], simulate = [], asksClients = false, maxFiles }: StandOptions = {},
  ): Promise<Stand> {
    const rest = new AsyncDisposableStack();
    const { path } = rest.use(await temporaryFolder());
    const authority = await Authority.make(path);
    await write(path, await authority.sign("first"));
    await Deno.writeTextFile(join(path, "ca.pem"), authority.cert);
    const fleet = rest.use(await startSimulators({ args: ["--model", "m", ...simulate] }));
    const files = { cert_file: join(path, "cert.pem"), key_file: join(path, "key.pem") };
    const tls = asksClients ? { ...files, client_ca_file: join(path, "ca.pem") } : files;
    const gateway = await startGateway({
      config: { instances: [{ url: fleet.urls[0], model_name: "m" }], ...options, tls },
      args,
      maxFiles,
    });
    rest.use(gateway);
    return new Stand(gateway, authority, path, rest);
  }

  put(signed: Signed): Promise<void> {
    return write(this.folder, signed);
  }

  putText(name: string, text: string): Promise<void> {
    return Deno.writeTextFile(join(this.folder, name), text);
  }

  /** Whose certificate a new connection meets; "" for one that met the very moment of a change. */
  async name(): Promise<string> {
    const socket = await this.socket().catch(() => null);
    if (socket === null) return "";
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return String(subject.CN);
  }

  socket(client: Partial<Signed> = {}): Promise<TLSSocket> {
    const { port } = this.gateway;
    const ca = this.authority.cert;
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca, ...client });
      socket.once("secureConnect", () => resolve(socket));
      socket.once("error", reject);
    });
  }

  connect(protocols = ["http/1.1"], client: Partial<Signed> = {}): Promise<Deno.TlsConn> {
    const caCerts = [this.authority.cert];
    const own = client as { cert: string; key: string };
    const place = { hostname: "localhost", port: this.gateway.port };
    return Deno.connectTls({ ...place, caCerts, alpnProtocols: protocols, ...own });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rest.disposeAsync();
  }
}

async function write(folder: string, { cert, key }: Signed): Promise<void> {
  await Deno.writeTextFile(join(folder, "cert.pem"), cert);
  await Deno.writeTextFile(join(folder, "key.pem"), key);
}

/** One request on a connection that stays; the answer as text, up to what `until` finds in it. */
async function ask(conn: Deno.Conn, body: unknown, until: RegExp): Promise<string> {
  const text = JSON.stringify(body);
  await conn.write(new TextEncoder().encode(
    "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
      `content-length: ${text.length}\r\n\r\n${text}`,
  ));
  return await readUntil(conn, until);
}

async function readUntil(conn: Deno.Conn, until: RegExp): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65_536);
  let answer = "";
  while (!until.test(answer)) {
    const count = await conn.read(buffer);
    if (count === null) throw new Error(`the connection ended after ${answer}`);
    answer += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return answer;
}

for (const listener of LISTENERS) {
  Deno.test(`a new certificate is met by new connections, and no answer is cut for it (${listener})`, async () => {
    await using stand = await Stand.open({ listener }, { simulate: ["--tokens-per-second", "40"] });
    const { gateway } = stand;
    assert.match(gateway.url, /^https:/);
    assert.equal(await stand.name(), "first");
    using conn = await stand.connect();
    const stream = { ...CHAT, stream: true, max_tokens: 80 };
    await ask(conn, stream, /delta/);
    await stand.put(await stand.authority.sign("second"));
    await waitFor(async () => await stand.name() === "second", () => gateway.output());
    // The stream that began under the first certificate comes to its end.
    await readUntil(conn, /\[DONE\]/);
    if (listener === "http1") {
      assert.match(await ask(conn, CHAT, /"usage"/), /^(0\r\n\r\n)?HTTP\/1\.1 200/);
    }
  });

  Deno.test(`half a file changes nothing and is told; the whole one is taken then (${listener})`, async () => {
    await using stand = await Stand.open({ listener });
    const { gateway } = stand;
    const second = await stand.authority.sign("second");
    await stand.putText("cert.pem", second.cert.slice(0, 300));
    await gateway.process.waitForOutput(/not reloaded.*cert\.pem holds half a certificate/);
    assert.equal(await stand.name(), "first");
    await stand.putText("cert.pem", second.cert);
    await gateway.process.waitForOutput(/not reloaded.*key in \S+ does not belong to/);
    assert.equal(await stand.name(), "first");
    await stand.putText("key.pem", second.key);
    await waitFor(async () => await stand.name() === "second", () => gateway.output());
  });
}

Deno.test("HTTP/1.1 is agreed on, and what cannot agree is sent away", async () => {
  await using stand = await Stand.open({ listener: "http1", head_timeout: 1 });
  using both = await stand.connect(["h2", "http/1.1"]);
  assert.equal((await both.handshake()).alpnProtocol, "http/1.1");
  assert.match(await ask(both, CHAT, /"usage"/), /^HTTP\/1\.1 200/);
  await assert.rejects(async () => {
    using conn = await stand.connect(["h2"]);
    await conn.handshake();
  }, /NoApplicationProtocol|reset/i);
  // Plain HTTP.
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: stand.gateway.port });
  await conn.write(new TextEncoder().encode("GET /health HTTP/1.1\r\n\r\n"));
  const buffer = new Uint8Array(100);
  let count: number | null = 0;
  while (count !== null) count = await conn.read(buffer).catch(() => null);
  assert.equal(await stand.name(), "first");
  await stand.gateway.stop();
  assert.doesNotMatch(stand.gateway.output(), /internal error/);
});

Deno.test("renewing again and again breaks no connection that stands, and hardly one that comes", async () => {
  await using stand = await Stand.open({ listener: "http1" });
  const { gateway } = stand;
  const signed = [await stand.authority.sign("a"), await stand.authority.sign("b")];
  let over = false;
  let made = 0;
  let missed = 0;
  const clients = Array.from({ length: 4 }, async () => {
    while (!over) {
      // Deno's door has one certificate: who waits before the old one when it closes has to come again.
      const conn = await stand.connect().then(async (conn) => {
        await conn.handshake();
        return conn;
      }).catch(() => null);
      if (conn === null) {
        missed++;
        continue;
      }
      for (let i = 0; i < 3; i++) await ask(conn, CHAT, /"usage"/);
      conn.close();
      made++;
    }
  });
  for (let turn = 0; turn < 10; turn++) {
    const one = signed[turn % 2];
    await stand.put(one);
    const name = turn % 2 === 0 ? "a" : "b";
    await waitFor(async () => await stand.name() === name, () => gateway.output());
  }
  over = true;
  await Promise.all(clients);
  assert.ok(made > 10, `${made} connections`);
  assert.ok(missed <= 10, `${missed} of ${made} connections met the closing of a door`);
});

Deno.test("a certificate that is over is refused by check, and served with loudly", async () => {
  await using stand = await Stand.open({ listener: "http1" });
  const { gateway, authority } = stand;
  await stand.put(await authority.sign("over", { days: -1 }));
  const said = /the certificate of tls\.cert_file expired on \d{4}-\d\d-\d\d/;
  await gateway.process.waitForOutput(said);
  await using check = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), "check", "--config", gateway.configPath],
  });
  assert.equal((await check.status).code, 1);
  assert.match(check.stderr(), said);
});

Deno.test("all workers take the new certificate", async () => {
  await using stand = await Stand.open({ listener: "http1" }, { args: ["--workers", "2"] });
  await stand.put(await stand.authority.sign("second"));
  const names = async () => {
    const all = [];
    for (let i = 0; i < 12; i++) all.push(await stand.name());
    return new Set(all);
  };
  await waitFor(async () => !(await names()).has("first"), () => stand.gateway.output());
  assert.deepEqual(await names(), new Set(["second"]));
});

Deno.test("with client_ca_file only clients with a certificate of theirs come in", async () => {
  await using stand = await Stand.open({ listener: "http1" }, {
    args: ["--workers", "2"],
    asksClients: true,
  });
  const { gateway, authority } = stand;
  const good = await authority.sign("good");
  const stranger = await (await Authority.make(gateway.folder)).sign("stranger");
  const served = async (client: Partial<Signed>) => {
    using conn = await stand.connect(["h2", "http/1.1"], client);
    return await ask(conn, CHAT, /"usage"/);
  };
  for (let i = 0; i < 4; i++) assert.match(await served(good), /^HTTP\/1\.1 200/);
  await assert.rejects(served({}), /CertificateRequired|ended|reset/i);
  await assert.rejects(
    served(stranger),
    /UnknownCA|DecryptError|BadCertificate|UnexpectedEof|ended|reset/i,
  );
  // A stream, piece by piece, and many requests on one connection.
  using conn = await stand.connect(["http/1.1"], good);
  const stream = { ...CHAT, stream: true, max_tokens: 50 };
  assert.match(await ask(conn, stream, /\[DONE\][^]*0\r\n\r\n/), /HTTP\/1\.1 200/);
  for (let i = 0; i < 5; i++) assert.match(await ask(conn, CHAT, /"usage"/), /^HTTP\/1\.1 200/);
  // Another authority, while that connection stands.
  const next = await Authority.make(gateway.folder);
  const other = await next.sign("other");
  await stand.putText("ca.pem", next.cert);
  await waitFor(
    () => served(other).then(() => true, () => false),
    () => gateway.output(),
  );
  assert.match(await ask(conn, CHAT, /"usage"/), /^HTTP\/1\.1 200/);
  await gateway.stop();
  assert.doesNotMatch(gateway.output(), /internal error/);
});

Deno.test("a session that a client began opens nothing once its authority counts no more", async () => {
  await using stand = await Stand.open({ listener: "http1" }, { asksClients: true });
  const { gateway, authority } = stand;
  /** Resumes its sessions, on a connection for each request. */
  const visitor = ({ cert, key }: Signed) => {
    const own = { caCerts: [authority.cert], cert, key, poolMaxIdlePerHost: 0 };
    const client = Deno.createHttpClient(own);
    return {
      async isServed() {
        try {
          const response = await fetch(`https://localhost:${gateway.port}/v1/models`, { client });
          await response.body?.cancel();
          return response.ok;
        } catch {
          // Sent away before there is an answer.
          return false;
        }
      },
      [Symbol.dispose]: () => client.close(),
    };
  };
  using good = visitor(await authority.sign("good"));
  for (let i = 0; i < 3; i++) assert.ok(await good.isServed());
  const next = await Authority.make(gateway.folder);
  using other = visitor(await next.sign("other"));
  await stand.putText("ca.pem", next.cert);
  // The door before is open for a moment yet.
  const isServedAlways = async () => {
    for (let i = 0; i < 10; i++) if (!await other.isServed()) return false;
    return true;
  };
  await waitFor(isServedAlways, () => gateway.output());
  for (let i = 0; i < 10; i++) assert.equal(await good.isServed(), false);
});

/** Connections that never say anything. */
class Silent implements Disposable {
  readonly #conns: Deno.Conn[] = [];
  /** How many of them the gateway has ended. */
  ended = 0;

  static async open(port: number, count: number): Promise<Silent> {
    const all = new Silent();
    for (let opened = 0; opened < count; opened++) {
      try {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port });
        all.#conns.push(conn);
        conn.read(new Uint8Array(100)).catch(() => null).then(() => all.ended++);
      } catch (error) {
        // On a busy machine the end may be there before the beginning is told.
        if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
        all.ended++;
      }
    }
    return all;
  }

  [Symbol.dispose](): void {
    for (const conn of this.#conns) conn.close();
  }
}

Deno.test("who brings no certificate and says nothing is sent away after head_timeout", async () => {
  await using stand = await Stand.open({ listener: "http1", head_timeout: 1 }, {
    asksClients: true,
  });
  using silent = await Silent.open(stand.gateway.port, 5);
  await waitFor(() => silent.ended === 5, () => stand.gateway.output());
});

Deno.test("many that begin no handshake have later ones sent away, and clients served as before", async () => {
  await using stand = await Stand.open({ listener: "http1", head_timeout: 1 });
  const { gateway } = stand;
  using before = await stand.connect();
  await before.handshake();
  using held = await Silent.open(gateway.port, 70);
  const areSentAway = async () => {
    using later = await Silent.open(gateway.port, 1);
    return await waitFor(() => later.ended === 1, "the end", 2500).then(() => true, () => false);
  };
  await waitFor(areSentAway, () => `${held.ended} ended\n${gateway.output()}`);
  for (const protocols of [["h2", "http/1.1"], ["http/1.1"]]) {
    using conn = await stand.connect(protocols);
    assert.match(await ask(conn, CHAT, /"usage"/), /^HTTP\/1\.1 200/);
  }
  assert.match(await ask(before, CHAT, /"usage"/), /^HTTP\/1\.1 200/);
  // The door that can do this takes new certificates as well.
  await stand.put(await stand.authority.sign("second"));
  await waitFor(async () => await stand.name() === "second", () => gateway.output());
  await gateway.stop();
  assert.doesNotMatch(gateway.output(), /internal error/);
});

Deno.test("a connection without a handshake counts for its address as long as it is there", async () => {
  await using stand = await Stand.open({
    listener: "http1",
    head_timeout: 1,
    max_connections_per_address: 2,
  });
  const { gateway } = stand;
  /** On a busy machine a handshake may itself be too late. */
  const isAnswered = async (status: number) => {
    using conn = await stand.connect();
    const answer = await ask(conn, CHAT, /\r\n\r\n/).catch(() => "");
    return answer.startsWith(`HTTP/1.1 ${status}`);
  };
  {
    using _silent = await Silent.open(gateway.port, 2);
    await waitFor(() => isAnswered(429), () => gateway.output());
    // Twice as long as they are given time.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await waitFor(() => isAnswered(429), "them to be there still");
  }
  await waitFor(() => isAnswered(200), () => gateway.output());
});

Deno.test({
  name: "a crowd without handshakes leaves the gateway the descriptors that it needs itself",
  ignore: Deno.build.os !== "linux", // needs prlimit
  async fn() {
    const options = { listener: "http1", head_timeout: 1 };
    await using stand = await Stand.open(options, { maxFiles: 160 });
    const { gateway } = stand;
    {
      using _crowd = await Silent.open(gateway.port, 250);
      await gateway.process.waitForOutput(/ulimit -n/);
    }
    await waitFor(async () => await stand.name() === "first", () => gateway.output());
    using conn = await stand.connect();
    assert.match(await ask(conn, CHAT, /"usage"/), /^HTTP\/1\.1 200/);
    await gateway.stop();
    assert.doesNotMatch(gateway.output(), /panicked|internal error/);
  },
});
