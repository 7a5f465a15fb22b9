// Alerts through a Feishu (飞书) or Lark robot, as a card, signed where it asks for that. It answers 200
// to nearly everything; `code` tells. The card holds plain text only, in which nothing is markup.
// https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot

import { ChannelError, type Messenger, type Notice } from "../alert.ts";
import { cutBytes, factsOf, type Mood, moodOf, textOf, titleOf } from "../wording.ts";
import { objectIn, post, secretsOf } from "./post.ts";
import { hmacSha256 } from "./signature.ts";

export interface FeishuOptions {
  url: string;
  secret?: string;
}

/** The service takes 20 kB, the card's own JSON included. */
const TEXT_BYTES = 10_000;
const TITLE_BYTES = 500;
/** More than 100 messages a minute, or 5 a second. 9499 stands for malformed messages too. */
const TOO_MANY: readonly unknown[] = [11232, 99991400];
const TOO_MANY_WORDS = /too many|frequency/i;

const COLOURS: Readonly<Record<Mood, string>> = {
  critical: "red",
  warning: "orange",
  info: "blue",
  resolved: "green",
};

export class FeishuChannel implements Messenger {
  readonly secrets: readonly string[];

  constructor(
    private readonly options: FeishuOptions,
    private readonly now: () => Date,
  ) {
    this.secrets = [...secretsOf(options.url), options.secret ?? ""];
  }

  async deliver(notice: Notice, signal: AbortSignal): Promise<void> {
    const { url, secret } = this.options;
    const signature = secret === undefined
      ? {}
      : await signatureOf(secret, Math.floor(this.now().getTime() / 1000));
    const answer = objectIn(await post(url, { ...signature, ...feishuBody(notice) }, signal));
    // Older robots answer with StatusCode alone.
    const code = answer.code ?? answer.StatusCode;
    if (code === 0) return;
    const said = String(answer.msg ?? answer.StatusMessage);
    const tooMany = TOO_MANY.includes(code) || TOO_MANY_WORDS.test(said);
    throw new ChannelError(`answered code ${code}: ${said}`, tooMany, tooMany ? 10 : null);
  }
}

/** The seconds and the secret are the key, and what is signed is empty. */
async function signatureOf(
  secret: string,
  atS: number,
): Promise<{ timestamp: string; sign: string }> {
  return { timestamp: String(atS), sign: await hmacSha256(`${atS}\n${secret}`, "") };
}

function feishuBody(notice: Notice): Record<string, unknown> {
  const plain = (content: string) => ({ tag: "plain_text", content });
  return {
    msg_type: "interactive",
    card: {
      config: { wide_screen_mode: true },
      header: {
        title: plain(cutBytes(titleOf(notice), TITLE_BYTES)),
        template: COLOURS[moodOf(notice)],
      },
      elements: [
        { tag: "div", text: plain(cutBytes(textOf(notice), TEXT_BYTES)) },
        { tag: "note", elements: [plain(factsOf(notice))] },
      ],
    },
  };
}
