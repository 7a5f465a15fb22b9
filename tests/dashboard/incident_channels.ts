// One receiver for each of the seven channels that alerts can go to, and what people read there. Whether
// a message has the form that its service asks for is left to tests/alert/.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { AlertKind } from "../../lib/alert/alert.ts";
import { type MailServer, PASSWORD, startMailServer, USER } from "../alert/mail_server.ts";
import { type Received, type Receiver, startReceiver } from "../alert/receiver.ts";
import type { Said } from "./incident_story.ts";
import { kindTitled } from "./incident_views.ts";

export interface Channel {
  /** Its entry in `alerts`. */
  config: Record<string, unknown>;
  /** What it was told so far. */
  said(): Said[];
}

export interface Channels extends AsyncDisposable {
  /** By type. */
  all: Record<string, Channel>;
}

const SECRET = "SEC0123456789";
const TOKEN = "123456:ABC-def";

/** A message in two parts, without the service's markup. */
interface Message {
  title: string;
  text: string;
}

/** `withMail`: whether there is openssl to make the mail server's certificate. */
export async function startChannels(withMail: boolean): Promise<Channels> {
  const mail = withMail ? await startMailServer() : null;
  const receivers: Receiver[] = [];
  const receive = (answer: (received: Received) => Response) => {
    const receiver = startReceiver(answer);
    receivers.push(receiver);
    return receiver;
  };
  const webhook = receive(() => new Response("ok"));
  const slack = receive(() => new Response("ok"));
  const wecom = receive(() => Response.json({ errcode: 0, errmsg: "ok" }));
  const dingtalk = receive((received) =>
    Response.json(isSignedForDingtalk(received) ? { errcode: 0 } : { errcode: 310000 })
  );
  const feishu = receive((received) =>
    Response.json(isSignedForFeishu(received) ? { code: 0 } : { code: 19021 })
  );
  const telegram = receive(({ url }) =>
    url.pathname === `/bot${TOKEN}/sendMessage`
      ? Response.json({ ok: true, result: {} })
      : Response.json({ ok: false }, { status: 404 })
  );
  return {
    all: {
      webhook: {
        config: { type: "webhook", url: `${webhook.origin}/hook` },
        said: () => webhook.received.flatMap(saidToWebhook),
      },
      slack: textChannel({ type: "slack", url: `${slack.origin}/services/T/B/x` }, slack, inSlack),
      wecom: textChannel({ type: "wecom", url: `${wecom.origin}/send?key=k` }, wecom, inWecom),
      dingtalk: textChannel(
        { type: "dingtalk", url: `${dingtalk.origin}/send?access_token=a`, secret: SECRET },
        dingtalk,
        inDingtalk,
      ),
      feishu: textChannel(
        { type: "feishu", url: `${feishu.origin}/hook/x`, secret: SECRET },
        feishu,
        inFeishu,
      ),
      telegram: textChannel(
        { type: "telegram", token: TOKEN, chat_id: -1001, api_url: telegram.origin },
        telegram,
        inTelegram,
      ),
      ...(mail === null ? {} : { email: mailChannel(mail) }),
    },
    async [Symbol.asyncDispose]() {
      for (const receiver of receivers) await receiver[Symbol.asyncDispose]();
      await mail?.[Symbol.asyncDispose]();
    },
  };
}

function textChannel(
  config: Record<string, unknown>,
  receiver: Receiver,
  read: (received: Received) => Message,
): Channel {
  return { config, said: () => receiver.received.flatMap((one) => saidIn(read(one))) };
}

function mailChannel(server: MailServer): Channel {
  return {
    config: {
      type: "email",
      host: "localhost",
      port: server.port,
      ca_file: server.caFile,
      user: USER,
      password: PASSWORD,
      from: "gateway@example.com",
      to: ["ops@example.com"],
    },
    said: () => server.mails.flatMap(({ text }) => saidIn(inMail(text))),
  };
}

interface WebhookAlert {
  kind: AlertKind;
  subject: string;
  state: "firing" | "resolved";
}

function saidToWebhook({ json }: Received): Said[] {
  assert.equal(json.more, 0);
  return json.alerts.map(({ kind, subject, state }: WebhookAlert): Said => ({
    kind,
    over: state === "resolved" && kind !== "instance_recovered",
    subjects: [subject],
    times: 1,
  }));
}

/** "Instance down: gpu-1" is one alert, "5 alerts: 2 Instance down, 3 …" with a text names them all. */
function saidIn({ title, text }: Message): Said[] {
  const summary = /^(?:Resolved: )?(\d+) alerts: (.+)$/.exec(title);
  if (summary === null) {
    const [, over, name, subject] = /^(Resolved: )?([^:]+): (.+)$/.exec(title)!;
    return [{ kind: kindTitled(name), over: over !== undefined, subjects: [subject], times: 1 }];
  }
  const said = summary[2].split(", ").map((part): Said => {
    const [, times, name, over] = /^(\d+) (.+?)( \(resolved\))?$/.exec(part)!;
    const line = text.split("\n").find((line) => line.startsWith(`${name}${over ?? ""}: `));
    const subjects = /: (.+?) \(/.exec(line ?? "")?.[1].split(", ");
    assert.ok(subjects, `subjects of ${part} in ${text}`);
    return { kind: kindTitled(name), over: over !== undefined, subjects, times: Number(times) };
  });
  assert.equal(said.reduce((sum, { times }) => sum + times, 0), Number(summary[1]), title);
  return said;
}

function inSlack({ json }: Received): Message {
  const [header, section] = json.blocks;
  return { title: withoutSign(header.text.text), text: section.text.text };
}

function inWecom({ json }: Received): Message {
  const [, title, quote] = /^\*\*<font color="\w+">(.*)<\/font>\*\*\n([^]*)\n<font/
    .exec(json.markdown.content)!;
  return { title: plain(title), text: unquoted(quote) };
}

function inDingtalk({ json }: Received): Message {
  const { title, text } = json.markdown;
  return { title, text: unquoted(text) };
}

function inFeishu({ json }: Received): Message {
  const { header, elements } = json.card;
  return { title: header.title.content, text: elements[0].text.content };
}

function inTelegram({ json }: Received): Message {
  const [, title, text] = /^<b>(.*)<\/b>\n([^]*)\n<i>/.exec(json.text)!;
  return { title: withoutSign(title), text };
}

/** The body has title, text and facts as paragraphs. */
function inMail(mail: string): Message {
  assert.match(mail, /^Content-Transfer-Encoding: quoted-printable$/mi);
  const body = mail.slice(mail.indexOf("\r\n\r\n") + 4)
    .replace(/=\r\n/g, "")
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  const [title, text] = body.replaceAll("\r\n", "\n").split("\n\n");
  return { title, text };
}

/** Without the coloured sign in front. */
function withoutSign(title: string): string {
  return title.replace(/^\S+ /, "");
}

/** The lines that are quoted. */
function unquoted(markdown: string): string {
  const quoted = markdown.split("\n").filter((line) => line.startsWith("> "));
  return plain(quoted.map((line) => line.slice(2)).join("\n"));
}

/** Without the spaces of no width that keep markdown out. */
function plain(text: string): string {
  return text.replaceAll("\u200b", "");
}

function isSignedForDingtalk({ url }: Received): boolean {
  const timestamp = url.searchParams.get("timestamp");
  return url.searchParams.get("sign") === hmac(SECRET, `${timestamp}\n${SECRET}`);
}

function isSignedForFeishu({ json }: Received): boolean {
  return json.sign === hmac(`${json.timestamp}\n${SECRET}`, "");
}

function hmac(key: string, data: string): string {
  return createHmac("sha256", key).update(data).digest("base64");
}
