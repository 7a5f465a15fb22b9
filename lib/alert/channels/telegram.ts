// Alerts through a Telegram bot, in its HTML. https://core.telegram.org/bots/api#sendmessage

import { ChannelError, type Messenger, type Notice } from "../alert.ts";
import { cut, factsOf, type Mood, moodOf, textOf, titleOf } from "../wording.ts";
import { post } from "./post.ts";

export interface TelegramOptions {
  token: string;
  chat_id: string | number;
  api_url: string;
}

/** The service takes 4096 characters, markup and escapes not counted. */
const TITLE_CHARS = 300;
const TEXT_CHARS = 3500;

const SIGNS: Readonly<Record<Mood, string>> = {
  critical: "🔴",
  warning: "🟠",
  info: "🔵",
  resolved: "🟢",
};

export class TelegramChannel implements Messenger {
  readonly secrets: readonly string[];

  constructor(private readonly options: TelegramOptions) {
    this.secrets = [options.token, encodeURIComponent(options.token)];
  }

  async deliver(notice: Notice, signal: AbortSignal): Promise<void> {
    const { token, chat_id, api_url } = this.options;
    const url = `${api_url.replace(/\/+$/, "")}/bot${token}/sendMessage`;
    try {
      await post(url, { chat_id, ...telegramBody(notice) }, signal);
    } catch (error) {
      throw error instanceof ChannelError ? withRetryAfter(error) : error;
    }
  }
}

/** How long to wait stands in the answer's body: `"retry_after": 5`. */
function withRetryAfter(error: ChannelError): ChannelError {
  const found = /"retry_after":\s*(\d+)/.exec(error.message);
  if (found === null) return error;
  return new ChannelError(error.message, error.passing, Number(found[1]));
}

function telegramBody(notice: Notice): Record<string, unknown> {
  const title = escaped(cut(`${SIGNS[moodOf(notice)]} ${titleOf(notice)}`, TITLE_CHARS));
  const text = escaped(cut(textOf(notice), TEXT_CHARS));
  return {
    text: `<b>${title}</b>\n${text}\n<i>${escaped(factsOf(notice))}</i>`,
    parse_mode: "HTML",
    link_preview_options: { is_disabled: true },
  };
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
