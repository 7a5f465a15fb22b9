// Alerts through a Slack incoming webhook. The texts go into plain_text objects, in which nothing is
// markup; only the fallback text and the line of facts are mrkdwn and escaped.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks

import type { Messenger, Notice } from "../alert.ts";
import { cut, factsOf, type Mood, moodOf, textOf, titleOf } from "../wording.ts";
import { post, secretsOf } from "./post.ts";

/** Slack's limits: characters of a header and of a section. */
const HEADER_CHARS = 150;
const SECTION_CHARS = 3000;

const SIGNS: Readonly<Record<Mood, string>> = {
  critical: "🔴",
  warning: "🟠",
  info: "🔵",
  resolved: "🟢",
};

export class SlackChannel implements Messenger {
  readonly secrets: readonly string[];

  constructor(private readonly options: { url: string }) {
    this.secrets = secretsOf(options.url);
  }

  async deliver(notice: Notice, signal: AbortSignal): Promise<void> {
    await post(this.options.url, slackBody(notice), signal);
  }
}

function slackBody(notice: Notice): Record<string, unknown> {
  const title = `${SIGNS[moodOf(notice)]} ${titleOf(notice)}`;
  const text = textOf(notice);
  return {
    // For notifications and screen readers, where blocks are not shown.
    text: escaped(cut(`${title}: ${text}`, SECTION_CHARS)),
    blocks: [
      { type: "header", text: { type: "plain_text", text: cut(title, HEADER_CHARS) } },
      {
        type: "section",
        // An empty text is refused.
        text: { type: "plain_text", text: cut(text, SECTION_CHARS) || "-" },
      },
      { type: "context", elements: [{ type: "mrkdwn", text: escaped(factsOf(notice)) }] },
    ],
  };
}

/** The three characters that Slack's markup is made of. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
