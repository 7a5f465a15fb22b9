// Each chat service's message against a receiver that is as strict as the service documents: format,
// signature, limits, and what its answers mean.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { type Alert, ChannelError, type Messenger, type Notice } from "../../lib/alert/alert.ts";
import { DingtalkChannel } from "../../lib/alert/channels/dingtalk.ts";
import { FeishuChannel } from "../../lib/alert/channels/feishu.ts";
import { SlackChannel } from "../../lib/alert/channels/slack.ts";
import { TelegramChannel } from "../../lib/alert/channels/telegram.ts";
import { WebhookChannel } from "../../lib/alert/channels/webhook.ts";
import { WecomChannel } from "../../lib/alert/channels/wecom.ts";
import { deliverOnce, withoutSecrets } from "../../lib/alert/delivery.ts";
import { type Received, type Receiver, startReceiver } from "./receiver.ts";
import { alert, notice } from "./samples.ts";
import { freePort } from "../support/ports.ts";

const SECRET = "SECa1b2c3d4e5f6";
const now = () => new Date();

/** Everything that could be taken for markup, a mention or a tag. */
const NASTY = alert({
  message: "<!channel> <@everyone> *b* _i_ `c` [x](http://evil) & <font color='red'>\nline 2 </b>",
});
/** Longer than any service takes, in characters of one to four bytes. */
const HUGE = alert({ subject: "s".repeat(700), message: "aé中🙂".repeat(5000) });
const STORM = Array.from({ length: 300 }, (_, i) => alert({ subject: `gpu-${i}` }));
const RECOVERED = alert({ kind: "instance_recovered", message: "back", resolved: true });

async function send(messenger: Messenger, ...alerts: Alert[]): Promise<ChannelError | null> {
  return await deliverOnce(messenger, notice(...alerts));
}

/** Every notice is taken by a receiver that checks what it gets. */
async function takesAll(receiver: Receiver, messenger: Messenger): Promise<void> {
  const notices: Notice[] = [
    notice(),
    notice(NASTY),
    notice(HUGE),
    notice(...STORM),
    notice(RECOVERED),
    notice(alert({ message: "" })),
    { ...notice(...STORM), left: 7, source: "" },
  ];
  for (const [index, one] of notices.entries()) {
    const error = await deliverOnce(messenger, one);
    assert.equal(error, null, `notice ${index}: ${error?.message}`);
  }
  assert.equal(receiver.received.length, notices.length);
}

const isWhole = (text: string) => text.isWellFormed() && !text.includes("\ufffd");

Deno.test("webhook: all facts as JSON, with the headers of the configuration", async () => {
  await using receiver = startReceiver(() => new Response(null, { status: 204 }));
  const channel = new WebhookChannel({
    url: `${receiver.origin}/hook?k=1`,
    headers: { "X-Token": "t0ken" },
  });
  await takesAll(receiver, channel);
  const [first, , , storm, recovered] = receiver.received;
  assert.equal(first.method, "POST");
  assert.equal(first.url.search, "?k=1");
  assert.equal(first.headers.get("x-token"), "t0ken");
  assert.match(first.headers.get("content-type")!, /^application\/json/);
  assert.deepEqual(first.json, {
    version: 1,
    source: "gateway-1",
    title: "Instance ejected: gpu-1",
    text: "connection refused",
    alerts: [{
      time: "2026-05-04T09:20:30.000Z",
      state: "firing",
      severity: "warning",
      kind: "instance_ejected",
      subject: "gpu-1",
      message: "connection refused",
      count: 10,
      suppressed: 0,
    }],
    more: 0,
  });
  assert.equal(storm.json.alerts.length, 100);
  assert.equal(storm.json.more, 200);
  assert.equal(recovered.json.alerts[0].state, "resolved");
});

Deno.test("slack: header, text and facts as blocks, in which nothing is markup", async () => {
  await using receiver = startReceiver(slackAnswer);
  await takesAll(receiver, new SlackChannel({ url: `${receiver.origin}/services/T/B/x` }));
  const [first, nasty] = receiver.received;
  assert.equal(first.json.blocks[0].text.text, "🟠 Instance ejected: gpu-1");
  assert.equal(first.json.blocks[1].text.text, "connection refused");
  assert.match(nasty.json.text, /&lt;!channel&gt;/);
});

/** https://docs.slack.dev/reference/block-kit/blocks */
function slackAnswer({ json }: Received): Response {
  const faults: string[] = [];
  if (typeof json.text !== "string" || /[<>]/.test(json.text)) faults.push("text");
  if (!(json.blocks.length >= 1 && json.blocks.length <= 50)) faults.push("blocks");
  const [header, section, context] = json.blocks;
  const length = (text: string) => isWhole(text) ? text.length : Infinity;
  if (header.type !== "header" || header.text.type !== "plain_text") faults.push("header");
  if (!(length(header.text.text) <= 150 && header.text.text !== "")) faults.push("header text");
  if (section.type !== "section" || section.text.type !== "plain_text") faults.push("section");
  if (!(length(section.text.text) <= 3000 && section.text.text !== "")) faults.push("section text");
  if (context.type !== "context" || context.elements[0].type !== "mrkdwn") faults.push("context");
  if (/[<>]/.test(context.elements[0].text)) faults.push("context text");
  return faults.length === 0
    ? new Response("ok")
    : new Response(`invalid_blocks ${faults}`, { status: 400 });
}

Deno.test("wecom: markdown of at most 4096 bytes, without a tag or mention of an instance's", async () => {
  await using receiver = startReceiver(({ json }) => {
    const content: string = json.markdown.content;
    const tags = content.replace(/<font color="(info|comment|warning)">|<\/font>/g, "");
    const isRight = json.msgtype === "markdown" && isWhole(content) &&
      new TextEncoder().encode(content).length <= 4096 && !/<[@\w/]/.test(tags);
    return Response.json(
      isRight ? { errcode: 0, errmsg: "ok" } : { errcode: 40008, errmsg: "bad" },
    );
  });
  await takesAll(receiver, new WecomChannel({ url: `${receiver.origin}/send?key=693a91f6` }));
  const [first, , huge, , recovered] = receiver.received;
  assert.match(
    first.json.markdown.content,
    /^\*\*<font color="warning">Instance ejected: gpu-1<\/font>\*\*\n> connection refused\n<font/,
  );
  assert.match(huge.json.markdown.content, /…\n<font color="comment">.*<\/font>$/);
  assert.match(recovered.json.markdown.content, /<font color="info">Instance recovered/);
});

Deno.test("dingtalk: signed markdown with a title", async () => {
  await using receiver = startReceiver(({ url, json, text }) => {
    const timestamp = url.searchParams.get("timestamp")!;
    const expected = createHmac("sha256", SECRET).update(`${timestamp}\n${SECRET}`)
      .digest("base64");
    if (Math.abs(Date.now() - Number(timestamp)) > 3_600_000) return dingtalk(310000, "time");
    if (url.searchParams.get("sign") !== expected) return dingtalk(310000, "sign not match");
    if (url.searchParams.get("access_token") !== "abc") return dingtalk(300005, "token");
    const { title, text: markdown } = json.markdown;
    const isRight = json.msgtype === "markdown" && title !== "" && isWhole(title) &&
      isWhole(markdown) && new TextEncoder().encode(text).length <= 20_000 &&
      !/[<@]\w/.test(markdown);
    return isRight ? dingtalk(0, "ok") : dingtalk(400105, "unsupported");
  });
  const url = `${receiver.origin}/robot/send?access_token=abc`;
  await takesAll(receiver, new DingtalkChannel({ url, secret: SECRET }, now));
  assert.match(receiver.received[0].json.markdown.text, /^#### Instance ejected: gpu-1\n/);
  const wrong = await send(new DingtalkChannel({ url, secret: "other" }, now));
  assert.equal(wrong?.message, "answered errcode 310000: sign not match");
  assert.equal(wrong?.passing, false);
});

const dingtalk = (errcode: number, errmsg: string) => Response.json({ errcode, errmsg });

Deno.test("dingtalk: the signature of the documentation's algorithm, escaped in the address", async () => {
  await using receiver = startReceiver(() => dingtalk(0, "ok"));
  const at = new Date(1_700_000_000_123);
  const url = `${receiver.origin}/robot/send?access_token=abc`;
  await send(new DingtalkChannel({ url, secret: SECRET }, () => at));
  const sign = createHmac("sha256", SECRET).update(`1700000000123\n${SECRET}`).digest("base64");
  assert.equal(
    receiver.received[0].url.search,
    `?access_token=abc&timestamp=1700000000123&sign=${encodeURIComponent(sign)}`,
  );
});

Deno.test("feishu: a signed card of plain text", async () => {
  await using receiver = startReceiver(({ json, text }) => {
    const expected = createHmac("sha256", `${json.timestamp}\n${SECRET}`).update("")
      .digest("base64");
    if (!/^\d{10}$/.test(json.timestamp)) return feishu(9499, "timestamp");
    if (Math.abs(Date.now() / 1000 - Number(json.timestamp)) > 3600) return feishu(19021, "time");
    if (json.sign !== expected) return feishu(19021, "sign match fail");
    const { header, elements } = json.card;
    const [div, note] = elements;
    const texts = [header.title, div.text, note.elements[0]];
    const isRight = json.msg_type === "interactive" && div.tag === "div" && note.tag === "note" &&
      ["red", "orange", "blue", "green"].includes(header.template) &&
      texts.every(({ tag, content }) => tag === "plain_text" && isWhole(content)) &&
      new TextEncoder().encode(text).length <= 20_000;
    return isRight ? feishu(0, "success") : feishu(11246, "bad card");
  });
  const url = `${receiver.origin}/open-apis/bot/v2/hook/xyz`;
  await takesAll(receiver, new FeishuChannel({ url, secret: SECRET }, now));
  const [first, , , , recovered] = receiver.received;
  assert.equal(first.json.card.header.title.content, "Instance ejected: gpu-1");
  assert.equal(first.json.card.elements[0].text.content, "connection refused");
  assert.equal(recovered.json.card.header.template, "green");
  const wrong = await send(new FeishuChannel({ url, secret: "other" }, now));
  assert.equal(wrong?.message, "answered code 19021: sign match fail");
});

const feishu = (code: number, msg: string) => Response.json({ code, msg, data: {} });

Deno.test("feishu: an older robot's answer counts too", async () => {
  await using receiver = startReceiver(
    () => Response.json({ StatusCode: 0, StatusMessage: "success" }),
  );
  const url = `${receiver.origin}/hook`;
  assert.equal(await send(new FeishuChannel({ url }, now)), null);
  assert.equal(receiver.received[0].json.sign, undefined, "unsigned without a secret");
});

Deno.test("telegram: HTML of at most 4096 characters that its parser takes", async () => {
  await using receiver = startReceiver(({ url, json }) => {
    const text: string = json.text;
    const shown = text.replace(/<\/?[bi]>/g, "");
    const isRight = url.pathname === "/bot123:ABC-def/sendMessage" && json.chat_id === -1001 &&
      json.parse_mode === "HTML" && isWhole(text) && !/[<>]/.test(shown) &&
      !/&(?!(amp|lt|gt);)/.test(shown) && [...shown.replace(/&\w+;/g, "x")].length <= 4096 &&
      (text.match(/<b>/g)?.length === 1) && (text.match(/<\/b>/g)?.length === 1);
    return isRight ? Response.json({ ok: true, result: {} }) : Response.json(
      { ok: false, error_code: 400, description: "Bad Request: can't parse entities" },
      { status: 400 },
    );
  });
  const options = { token: "123:ABC-def", chat_id: -1001, api_url: `${receiver.origin}/` };
  await takesAll(receiver, new TelegramChannel(options));
  assert.match(
    receiver.received[0].json.text,
    /^<b>🟠 Instance ejected: gpu-1<\/b>\nconnection refused\n<i>warning · gateway-1 · /,
  );
});

const REFUSALS: [string, (url: string) => Messenger, Response, boolean, number | null][] = [
  [
    "slack 429",
    (url) => new SlackChannel({ url }),
    new Response("rate_limited", { status: 429, headers: { "retry-after": "30" } }),
    true,
    30,
  ],
  [
    "slack 404",
    (url) => new SlackChannel({ url }),
    new Response("x", { status: 404 }),
    false,
    null,
  ],
  ["slack 302", (url) => new SlackChannel({ url }), new Response("", { status: 302 }), false, null],
  ["slack 503", (url) => new SlackChannel({ url }), new Response("", { status: 503 }), true, null],
  [
    "telegram 429",
    (url) => new TelegramChannel({ token: "1:a", chat_id: 1, api_url: url }),
    Response.json({
      ok: false,
      error_code: 429,
      description: "Too Many Requests: retry after 7",
      parameters: { retry_after: 7 },
    }, { status: 429 }),
    true,
    7,
  ],
  ["wecom 45009", (url) => new WecomChannel({ url }), dingtalk(45009, "freq"), true, 60],
  ["wecom 93000", (url) => new WecomChannel({ url }), dingtalk(93000, "no robot"), false, null],
  ["wecom -1", (url) => new WecomChannel({ url }), dingtalk(-1, "busy"), true, null],
  ["wecom text", (url) => new WecomChannel({ url }), new Response("<html>"), false, null],
  ["dingtalk 410100", (url) => new DingtalkChannel({ url }, now), dingtalk(410100, "x"), true, 60],
  ["feishu 11232", (url) => new FeishuChannel({ url }, now), feishu(11232, "freq"), true, 10],
  [
    "feishu 9499",
    (url) => new FeishuChannel({ url }, now),
    feishu(9499, "too many request"),
    true,
    10,
  ],
  ["feishu 19024", (url) => new FeishuChannel({ url }, now), feishu(19024, "word"), false, null],
];

for (const [name, make, answer, passing, retryAfterS] of REFUSALS) {
  Deno.test(`a refusal is known as what it is: ${name}`, async () => {
    await using receiver = startReceiver(() => answer.clone());
    const error = await send(make(`${receiver.origin}/s3cret-path`));
    assert.ok(error instanceof ChannelError);
    assert.equal(error.passing, passing, error.message);
    assert.equal(error.retryAfterS, retryAfterS);
  });
}

Deno.test("a service that cannot be reached is told without its address", async () => {
  const url = `http://127.0.0.1:${freePort()}/services/T000/B000/s3cretpart?key=hidden-key`;
  for (
    const messenger of [
      new SlackChannel({ url }),
      new DingtalkChannel({ url, secret: SECRET }, now),
      new TelegramChannel({ token: "123:s3cretpart", chat_id: 1, api_url: url.split("/ser")[0] }),
    ]
  ) {
    const error = await send(messenger);
    assert.equal(error?.passing, true);
    const shown = withoutSecrets(error!.message, messenger.secrets);
    assert.match(shown, /refused/i);
    assert.doesNotMatch(shown, /s3cretpart|hidden-key|SECa1|sign=/);
  }
});

Deno.test("an answer without end is read no further than it is needed", async () => {
  await using receiver = startReceiver(() => {
    const bytes = new TextEncoder().encode("x".repeat(1024));
    return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(bytes) }), {
      status: 400,
    });
  });
  const error = await send(new SlackChannel({ url: `${receiver.origin}/hook` }));
  assert.match(error!.message, /^answered 400: x{200}$/);
});
