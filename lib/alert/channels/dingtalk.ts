// Alerts through a DingTalk (钉钉) robot, signed where it asks for that. It answers 200 to everything;
// `errcode` tells. https://open.dingtalk.com/document/robots/custom-robot-access

import { ChannelError, type Messenger, type Notice } from "../alert.ts";
import { cut, factsOf, textOf, titleOf } from "../wording.ts";
import { inert } from "./markdown.ts";
import { objectIn, post, secretsOf } from "./post.ts";
import { hmacSha256 } from "./signature.ts";

export interface DingtalkOptions {
  url: string;
  secret?: string;
}

/** The service takes 20 kB; a Chinese character has three bytes. */
const MAX_CHARS = 5000;
const TITLE_CHARS = 100;
const BUSY = -1;
/** More than 20 messages a minute, which shuts a robot up for up to ten. */
const TOO_MANY: readonly unknown[] = [130101, 302033, 410100, 660026];

export class DingtalkChannel implements Messenger {
  readonly secrets: readonly string[];

  constructor(
    private readonly options: DingtalkOptions,
    private readonly now: () => Date,
  ) {
    this.secrets = [...secretsOf(options.url), options.secret ?? ""];
  }

  async deliver(notice: Notice, signal: AbortSignal): Promise<void> {
    const { url, secret } = this.options;
    const signed = secret === undefined ? url : await signedUrl(url, secret, this.now().getTime());
    const { errcode, errmsg } = objectIn(await post(signed, dingtalkBody(notice), signal));
    if (errcode === 0) return;
    const tooMany = TOO_MANY.includes(errcode);
    throw new ChannelError(
      `answered errcode ${errcode}: ${errmsg}`,
      errcode === BUSY || tooMany,
      tooMany ? 60 : null,
    );
  }
}

/** With `timestamp` in milliseconds, and `sign` over it and the secret, in the query. */
async function signedUrl(url: string, secret: string, atMs: number): Promise<string> {
  const signed = new URL(url);
  signed.searchParams.set("timestamp", String(atMs));
  signed.searchParams.set("sign", await hmacSha256(secret, `${atMs}\n${secret}`));
  return signed.href;
}

function dingtalkBody(notice: Notice): Record<string, unknown> {
  const title = cut(titleOf(notice), TITLE_CHARS);
  const lines = textOf(notice).split("\n").map((line) => `> ${inert(line)}`).join("\n>\n");
  return {
    msgtype: "markdown",
    markdown: {
      title,
      text: `#### ${inert(title)}\n\n${cut(lines, MAX_CHARS - 500)}\n\n${inert(factsOf(notice))}`,
    },
  };
}
