// A real mail server (smtp-server) on loopback, with a certificate of its own authority, that keeps what
// it was sent.

import assert from "node:assert/strict";
import { join } from "node:path";
import { SMTPServer } from "npm:smtp-server@3.21.6";

export interface Mail {
  from: string;
  to: string[];
  /** Whether the connection was encrypted when it came. */
  secure: boolean;
  user: string | undefined;
  /** Header lines and body as they came. */
  text: string;
}

export interface MailServer extends AsyncDisposable {
  readonly port: number;
  /** PEM file of the authority. */
  readonly caFile: string;
  readonly mails: Mail[];
}

export interface MailServerOptions {
  /** TLS from the first byte. */
  implicit?: boolean;
  /** Offers no STARTTLS. */
  plain?: boolean;
  /** Answer to every message instead of taking it. */
  refuse?: { code: number; message: string };
}

export const USER = "gateway";
export const PASSWORD = "p4ss:wörd";

/** Takes mail from USER with PASSWORD alone. */
export async function startMailServer(options: MailServerOptions = {}): Promise<MailServer> {
  const folder = await Deno.makeTempDir({ prefix: "mail-test-" });
  await makeCertificates(folder);
  const mails: Mail[] = [];
  const server = new SMTPServer({
    secure: options.implicit ?? false,
    key: await Deno.readTextFile(join(folder, "leaf.key")),
    cert: await Deno.readTextFile(join(folder, "leaf.pem")),
    authOptional: options.plain ?? false,
    hideSTARTTLS: options.plain ?? false,
    disabledCommands: options.plain ? ["STARTTLS"] : [],
    logger: false,
    onAuth: ({ username, password }, _session, done) =>
      username === USER && password === PASSWORD
        ? done(null, { user: username })
        : done(new Error("Invalid username or password")),
    onData: (stream, session, done) => {
      const pieces: Uint8Array[] = [];
      stream.on("data", (piece: Uint8Array) => void pieces.push(piece));
      stream.on("end", () => {
        const { refuse } = options;
        if (refuse !== undefined) {
          done(Object.assign(new Error(refuse.message), { responseCode: refuse.code }));
          return;
        }
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          secure: session.secure,
          user: session.user as string | undefined,
          text: new TextDecoder().decode(concat(pieces)),
        });
        done();
      });
    },
  });
  // A client that breaks off is part of some tests.
  server.on("error", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    port: address.port,
    caFile: join(folder, "ca.pem"),
    mails,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** An authority and its certificate for localhost and 127.0.0.1, in `folder`. */
async function makeCertificates(folder: string): Promise<void> {
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  const script = `openssl req -x509 ${key} -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem &&
    openssl req ${key} -subj /CN=localhost -keyout leaf.key -out leaf.csr &&
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\nbasicConstraints=CA:FALSE' > leaf.ext &&
    openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
      -extfile leaf.ext -out leaf.pem`;
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-c", script],
    cwd: folder,
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}
