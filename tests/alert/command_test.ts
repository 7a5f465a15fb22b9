// `alert --test` as it is called.

import assert from "node:assert/strict";
import { join } from "node:path";
import { hasOpenssl } from "../support/certificates.ts";
import { ROOT, startProcess, temporaryFolder } from "../support/processes.ts";
import { PASSWORD, startMailServer, USER } from "./mail_server.ts";
import { startReceiver } from "./receiver.ts";

const ignore = !await hasOpenssl();

/** Runs the command on a config with these channels. */
async function run(alerts: unknown[], ...args: string[]) {
  await using folder = await temporaryFolder();
  const config = join(folder.path, "config.jsonc");
  const instances = [{ url: "http://127.0.0.1:8123", model_name: "m" }];
  await Deno.writeTextFile(config, JSON.stringify({ instances, alerts }));
  const executable = Deno.env.get("TEST_COMMAND");
  const command = executable === undefined ? ["run", "-A", join(ROOT, "main.ts")] : [];
  await using child = startProcess(executable ?? Deno.execPath(), {
    args: [...command, "alert", "--config", config, ...args],
    env: { MAIL_PASSWORD: PASSWORD },
  });
  const { code } = await child.status;
  return { code, out: child.stdout(), err: child.stderr() };
}

Deno.test("every channel is tried, and gets a line", { ignore }, async () => {
  await using chat = startReceiver(({ url }) =>
    url.pathname.startsWith("/bad")
      ? new Response("no_service", { status: 404 })
      : url.pathname.startsWith("/bot")
      ? Response.json({ ok: true })
      : Response.json({ errcode: 0, code: 0 })
  );
  await using mail = await startMailServer();
  const good = [
    { type: "webhook", url: chat.origin },
    { type: "slack", url: `${chat.origin}/slack`, min_severity: "critical" },
    { type: "wecom", url: `${chat.origin}/wecom`, kinds: ["disk_low"] },
    { type: "dingtalk", url: `${chat.origin}/ding`, secret: "SECabc" },
    { type: "feishu", url: `${chat.origin}/feishu`, secret: "abc" },
    { type: "telegram", token: "1:a", chat_id: 5, api_url: chat.origin },
    {
      type: "email",
      host: "localhost",
      port: mail.port,
      ca_file: mail.caFile,
      user: USER,
      password: "${MAIL_PASSWORD}",
      from: "gateway@example.com",
      to: ["ops@example.com"],
    },
  ];
  const all = await run(good, "--test");
  assert.equal(all.code, 0, all.out + all.err);
  assert.equal(all.out.match(/^\w+ +ok$/gm)?.length, good.length, all.out);
  assert.equal(chat.received.length, 6);
  assert.match(mail.mails[0].text, /^Subject: \[gateway\] Test: simple-ai-gateway$/m);

  const bad = { type: "slack", name: "night", url: `${chat.origin}/bad/s3cretpath` };
  const mixed = await run([good[0], bad], "--test");
  assert.equal(mixed.code, 1);
  assert.match(mixed.out, /^webhook {2}ok$/m);
  assert.match(mixed.out, /^night {4}failed: answered 404: no_service$/m);
  assert.ok(!(mixed.out + mixed.err).includes("s3cretpath"));

  for (const name of ["webhook", "1"]) {
    const one = await run([good[0], bad], "--test", "--channel", name);
    assert.equal(one.code, 0);
    assert.equal(one.out, "webhook  ok\n");
  }
});

Deno.test("without --test the channels are named, and nothing is sent", async () => {
  await using receiver = startReceiver(() => new Response("ok"));
  const { code, out, err } = await run([
    { type: "webhook", url: `${receiver.origin}/s3cretpath` },
    { type: "slack", name: "night", url: receiver.origin },
  ]);
  assert.equal(code, 0);
  assert.equal(out, "webhook  webhook\nnight    slack\n");
  assert.match(err, /Nothing was sent; --test tries them/);
  assert.equal(receiver.received.length, 0);
});

Deno.test("what cannot be tried is said, with the exit code for it", async () => {
  const none = await run([], "--test");
  assert.equal(none.code, 1);
  assert.match(none.err, /no channels under `alerts`/);
  const hook = { type: "webhook", url: "http://127.0.0.1:8123/" };
  const unknown = await run([hook], "--test", "--channel", "nope");
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /--channel: expected one of webhook, got `nope`/);
  const wrong = await run([{ type: "pager" }], "--test");
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /config\.jsonc:1:\d+: alerts\[0\]\.type: expected one of webhook/);
});
