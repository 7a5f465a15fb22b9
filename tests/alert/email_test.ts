// Alerts by e-mail, to a real mail server with TLS and a login.

import assert from "node:assert/strict";
import { EmailChannel, type EmailOptions } from "../../lib/alert/channels/email.ts";
import { deliverOnce, withoutSecrets } from "../../lib/alert/delivery.ts";
import { type MailServer, PASSWORD, startMailServer, USER } from "./mail_server.ts";
import { alert, notice } from "./samples.ts";
import { hasOpenssl } from "../support/certificates.ts";
import { freePort } from "../support/ports.ts";

// Certificates are made with openssl; without it there is nothing to test against.
const ignore = !await hasOpenssl();

function channel({ port, caFile }: MailServer, more: Partial<EmailOptions> = {}): EmailChannel {
  return new EmailChannel({
    host: "localhost",
    port,
    tls: "starttls",
    ca_file: caFile,
    user: USER,
    password: PASSWORD,
    from: "Gateway <gateway@example.com>",
    to: ["ops@example.com", "Night Shift <night@example.com>"],
    ...more,
  }, "gateway-1");
}

Deno.test("a mail is sent after STARTTLS and login, to all recipients", { ignore }, async () => {
  await using server = await startMailServer();
  const sent = notice(alert({ message: "错误: connection refused\nInjected: header" }));
  assert.equal(await deliverOnce(channel(server), sent), null);
  const [mail] = server.mails;
  assert.deepEqual(
    { ...mail, text: "" },
    {
      from: "gateway@example.com",
      to: ["ops@example.com", "night@example.com"],
      secure: true,
      user: USER,
      text: "",
    },
  );
  const [head, ...body] = mail.text.split("\r\n\r\n");
  assert.match(head, /^Subject: \[gateway\] Instance ejected: gpu-1$/m);
  assert.match(head, /^From: Gateway <gateway@example\.com>$/m);
  assert.match(head, /^Auto-Submitted: auto-generated$/m);
  assert.match(head, /^Message-ID: </m);
  assert.doesNotMatch(head, /^Injected/m);
  assert.notEqual(body.join(), "");
});

Deno.test(
  "a subject stays one header line, whatever an instance is called",
  { ignore },
  async () => {
    await using server = await startMailServer();
    const sent = notice(alert({ subject: "模型\r\nBcc: evil@example.com" }));
    assert.equal(await deliverOnce(channel(server), sent), null);
    assert.doesNotMatch(server.mails[0].text, /^Bcc/m);
    assert.equal(server.mails[0].to.length, 2);
  },
);

Deno.test("TLS from the first byte", { ignore }, async () => {
  await using server = await startMailServer({ implicit: true });
  assert.equal(await deliverOnce(channel(server, { tls: "implicit" }), notice()), null);
  assert.equal(server.mails[0].secure, true);
});

Deno.test("a relay without TLS and login is only used where that is said", { ignore }, async () => {
  await using server = await startMailServer({ plain: true });
  const login = { user: undefined, password: undefined };
  const refused = await deliverOnce(channel(server, login), notice());
  assert.match(refused!.message, /STARTTLS/);
  assert.equal(server.mails.length, 0);
  assert.equal(await deliverOnce(channel(server, { ...login, tls: "off" }), notice()), null);
  assert.equal(server.mails[0].secure, false);
});

Deno.test("a certificate of an unknown authority is refused", { ignore }, async () => {
  await using server = await startMailServer();
  const error = await deliverOnce(channel(server, { ca_file: undefined }), notice());
  assert.match(error!.message, /certificate|issuer/i);
  assert.equal(server.mails.length, 0);
});

Deno.test("a wrong password is not tried again, and never shown", { ignore }, async () => {
  await using server = await startMailServer();
  const wrong = channel(server, { password: "wr0ng-s3cret" });
  const error = await deliverOnce(wrong, notice());
  assert.equal(error!.passing, false);
  assert.match(error!.message, /Invalid/i);
  assert.doesNotMatch(withoutSecrets(error!.message, wrong.secrets), /wr0ng|d3IwbmctczNjcmV0/);
});

Deno.test("a server that is busy is tried again, one that refuses is not", { ignore }, async () => {
  for (const [code, passing] of [[451, true], [552, false]] as const) {
    await using server = await startMailServer({ refuse: { code, message: "not now" } });
    const error = await deliverOnce(channel(server), notice());
    assert.equal(error?.passing, passing, error?.message);
  }
});

Deno.test("a server that cannot be reached, or says nothing, is tried again", async () => {
  const port = freePort();
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const options: EmailOptions = {
    host: "127.0.0.1",
    port,
    tls: "starttls",
    from: "a@example.com",
    to: ["b@example.com"],
  };
  const silent = new EmailChannel(options, "");
  const stop = new AbortController();
  const waiting = deliverOnce(silent, notice(), stop.signal);
  const connection = await listener.accept();
  stop.abort();
  assert.match((await waiting)!.message, /stopping/);
  connection.close();
  listener.close();
  const error = await deliverOnce(new EmailChannel(options, ""), notice());
  assert.match(error!.message, /REFUSED/i);
  assert.equal(error!.passing, true);
});
