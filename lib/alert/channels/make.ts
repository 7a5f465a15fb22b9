// From a channel's options to what carries its messages.

import type { AlertChannelConfig } from "../../config/config.ts";
import type { Messenger } from "../alert.ts";
import { DingtalkChannel } from "./dingtalk.ts";
import { EmailChannel } from "./email.ts";
import { FeishuChannel } from "./feishu.ts";
import { SlackChannel } from "./slack.ts";
import { TelegramChannel } from "./telegram.ts";
import { WebhookChannel } from "./webhook.ts";
import { WecomChannel } from "./wecom.ts";

/** `hostname` names this machine; "" where it is not known. */
export function makeMessenger(
  config: AlertChannelConfig,
  now: () => Date,
  hostname: string,
): Messenger {
  switch (config.type) {
    case "webhook":
      return new WebhookChannel(config);
    case "slack":
      return new SlackChannel(config);
    case "wecom":
      return new WecomChannel(config);
    case "dingtalk":
      return new DingtalkChannel(config, now);
    case "feishu":
      return new FeishuChannel(config, now);
    case "telegram":
      return new TelegramChannel(config);
    case "email":
      return new EmailChannel(config, hostname);
  }
}
