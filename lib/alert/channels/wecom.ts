// Alerts through a WeCom (企业微信) group robot. It answers 200 to everything; `errcode` tells.
// https://developer.work.weixin.qq.com/document/path/91770

import { ChannelError, type Messenger, type Notice } from "../alert.ts";
import { cutBytes, factsOf, type Mood, moodOf, textOf, titleOf } from "../wording.ts";
import { objectIn, post, secretsOf } from "./post.ts";
import { inert } from "./markdown.ts";

/** The service's limit for markdown. */
const MAX_BYTES = 4096;
/** System busy; more than 20 messages a minute. */
const BUSY = -1;
const TOO_MANY = 45009;

/** The three colours that there are. */
const COLOURS: Readonly<Record<Mood, string>> = {
  critical: "warning",
  warning: "warning",
  info: "comment",
  resolved: "info",
};

export class WecomChannel implements Messenger {
  readonly secrets: readonly string[];

  constructor(private readonly options: { url: string }) {
    this.secrets = secretsOf(options.url);
  }

  async deliver(notice: Notice, signal: AbortSignal): Promise<void> {
    const { errcode, errmsg } = objectIn(
      await post(this.options.url, wecomBody(notice), signal),
    );
    if (errcode === 0) return;
    throw new ChannelError(
      `answered errcode ${errcode}: ${errmsg}`,
      errcode === BUSY || errcode === TOO_MANY,
      errcode === TOO_MANY ? 60 : null,
    );
  }
}

function wecomBody(notice: Notice): Record<string, unknown> {
  const head = `**<font color="${COLOURS[moodOf(notice)]}">${inert(titleOf(notice))}</font>**\n`;
  const facts = `\n<font color="comment">${inert(factsOf(notice))}</font>`;
  const quoted = textOf(notice).split("\n").map((line) => `> ${inert(line)}`).join("\n");
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  const shortHead = bytes(head) > MAX_BYTES / 2
    ? `${cutBytes(head, MAX_BYTES / 2)}</font>**\n`
    : head;
  const room = MAX_BYTES - bytes(shortHead) - bytes(facts);
  return {
    msgtype: "markdown",
    markdown: { content: `${shortHead}${cutBytes(quoted, room)}${facts}` },
  };
}
