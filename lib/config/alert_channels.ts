// The forms of `alerts` and `alert_rules`: where alerts go, and from when on there is reason for one.
// What a channel does with its options is left to lib/alert/.

import { z } from "zod";

/** What people can be told. */
export const ALERT_KINDS = [
  "instance_ejected",
  "instance_down",
  "instance_hung",
  "instance_asleep",
  "instance_misconfigured",
  "instance_recovered",
  "no_instance",
  "fallback_in_use",
  "request_kills_engines",
  "error_rate",
  "refused_rate",
  "first_token_slow",
  "answer_truncated",
  "reload_failed",
  "disk_low",
  "data_dir_replaced",
  "system_limit",
  "records_dropped",
  "records_failed",
  "usage_failed",
  "shared_state_down",
  "budget",
  "key_expiring",
  "policy_failing",
  "policy_hits",
  "worker_died",
] as const;
export type AlertKind = typeof ALERT_KINDS[number];

/** From what may wait to what may not. */
export const SEVERITIES = ["info", "warning", "critical"] as const;
export type Severity = typeof SEVERITIES[number];

/** 24 days: a timer cannot be set to more than 2^31 ms. */
const LONGEST_S = 86_400 * 24;

const webAddress = z.string().superRefine((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol) && url.hostname !== "") return;
  context.addIssue({ code: "custom", message: "expected an address with http:// or https://" });
});
const secret = z.string().min(1, "expected a text that is not empty");
const mailAddress = z.string().regex(
  /^[^@\r\n]+@[^\s@]+$/,
  "expected an address such as ops@example.com or Gateway <gateway@example.com>",
);

/** What every channel may have. */
const common = {
  name: z.string().regex(/^[\w.\-]{1,50}$/, "letters, digits and . _ - only").optional()
    .describe("Name in the log and for alert --test --channel; default the type."),
  kinds: z.array(z.enum(ALERT_KINDS)).min(1).optional()
    .describe("Only these kinds, with the message that they are over; without it, all."),
  min_severity: z.enum(SEVERITIES).default("info")
    .describe("Only alerts of this severity or a higher one."),
};

const webhook = z.strictObject({
  type: z.literal("webhook").describe("Which kind of channel it is."),
  url: webAddress.describe("Gets a POST with a JSON body."),
  headers: z.record(
    z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "expected the name of a header"),
    z.string().regex(/^[\t\x20-\x7e]*$/, "expected printable ASCII, as a header can carry"),
  ).default({}).describe("Headers to send, such as Authorization."),
  ...common,
});

const slack = z.strictObject({
  type: z.literal("slack").describe("Which kind of channel it is."),
  url: webAddress.describe("Address of the incoming webhook."),
  ...common,
});

const wecom = z.strictObject({
  type: z.literal("wecom").describe("Which kind of channel it is."),
  url: webAddress.describe("Address of the group robot, with its key."),
  ...common,
});

const dingtalk = z.strictObject({
  type: z.literal("dingtalk").describe("Which kind of channel it is."),
  url: webAddress.describe("Address of the robot, with its access_token."),
  secret: secret.optional().describe("Signs the messages of a robot that asks for it (SEC…)."),
  ...common,
});

const feishu = z.strictObject({
  type: z.literal("feishu").describe("Which kind of channel it is."),
  url: webAddress.describe("Address of the robot, at feishu.cn or larksuite.com."),
  secret: secret.optional().describe("Signs the messages of a robot that asks for it."),
  ...common,
});

const telegram = z.strictObject({
  type: z.literal("telegram").describe("Which kind of channel it is."),
  token: z.string().regex(/^[\w:-]+$/, "expected a token such as 123456:ABC-def")
    .describe("Token of the bot."),
  chat_id: z.union([z.int(), z.string().min(1)])
    .describe("Number of the chat, or @name of a public channel."),
  api_url: webAddress.default("https://api.telegram.org").describe("Address of the Bot API."),
  ...common,
});

const email = z.strictObject({
  type: z.literal("email").describe("Which kind of channel it is."),
  host: z.string().min(1).describe("Mail server (SMTP)."),
  port: z.int().min(1).max(65535).optional()
    .describe("Default 587, with tls implicit 465, with tls off 25."),
  tls: z.enum(["starttls", "implicit", "off"]).default("starttls")
    .describe("starttls refuses a server without it; implicit is TLS from the first byte."),
  ca_file: z.string().min(1).optional()
    .describe("PEM file of the authority that signed the server's certificate."),
  user: z.string().min(1).optional().describe("Login at the mail server, with password."),
  password: secret.optional().describe("Password of user."),
  from: mailAddress.describe("Sender."),
  to: z.array(mailAddress).min(1).describe("Recipients."),
  ...common,
}).superRefine((channel, context) => {
  if ((channel.user === undefined) === (channel.password === undefined)) return;
  const missing = channel.user === undefined ? "user" : "password";
  context.addIssue({
    code: "custom",
    path: [missing],
    message: "expected both user and password, or neither",
  });
});

export const alertChannel = z.discriminatedUnion("type", [
  webhook,
  slack,
  wecom,
  dingtalk,
  feishu,
  telegram,
  email,
], {
  error: ({ code }) =>
    code === "invalid_union"
      ? "expected one of webhook, slack, wecom, dingtalk, feishu, telegram, email"
      : undefined,
});

const NO_RULES = {
  window: 60,
  error_rate: 0.1,
  refused_rate: 0.5,
  first_token_s: null,
  policy_hits: null,
  min_requests: 20,
  disk_free_bytes: 1_000_000_000,
  summary_window: 30,
};

export const alertRules = z.strictObject({
  window: z.number().min(1).max(3600).default(NO_RULES.window)
    .describe("Requests of this time are judged; a fallback unused for it is no longer in use."),
  error_rate: z.number().positive().max(1).nullable().default(NO_RULES.error_rate)
    .describe("Share of a model's requests that may fail; null for no such alert."),
  refused_rate: z.number().positive().max(1).nullable().default(NO_RULES.refused_rate).describe(
    "Share of a model's requests that may be refused as the client's mistake (4xx, but for 401, 403 and 429); null for no such alert.",
  ),
  first_token_s: z.number().positive().max(LONGEST_S).nullable().default(NO_RULES.first_token_s)
    .describe("Time to the first token that 95 % of a model's streams must keep; null for none."),
  policy_hits: z.number().positive().max(1).nullable().default(NO_RULES.policy_hits).describe(
    "Share of the requests that a policy looks at in which it may find something, in audit too; null for no such alert.",
  ),
  min_requests: z.int().positive().default(NO_RULES.min_requests)
    .describe("Fewer requests in the window are not judged."),
  disk_free_bytes: z.int().nonnegative().default(NO_RULES.disk_free_bytes)
    .describe("Free space below data_dir; 0 for no such alert."),
  summary_window: z.number().nonnegative().max(3600).default(NO_RULES.summary_window)
    .describe("More than three alerts in this time are sent as one summary."),
}).default(NO_RULES);

export type AlertChannelOptions = z.output<typeof alertChannel>;
