// `alert --test`: whether messages get through to people, before there is need for one.

import { parseArgs } from "node:util";
import type { Notice } from "../alert/alert.ts";
import { makeMessenger } from "../alert/channels/make.ts";
import { deliverOnce, withoutSecrets } from "../alert/delivery.ts";
import { KINDS } from "../alert/kinds.ts";
import type { AlertChannelConfig } from "../config/config.ts";
import { readConfig } from "../config/load.ts";
import { formatProblem } from "../config/parse.ts";
import { hostname } from "../process/alerting.ts";
import { VERSION } from "../process/version.ts";

export const summary = "sends a test alert through the configured channels";
export const help = `simple-ai-gateway alert --test [options]

Options:
  --test          send a test alert through every channel under \`alerts\` in the configuration
  --config FILE   configuration (default config.jsonc)
  --channel NAME  only this channel: its name, its type, or its number in the list from 1

Each channel is tried once, whatever its kinds and min_severity, and gets a line: ok, or what is wrong.
Exits with 0 when all took the message, 1 when one did not or none is configured.

Examples:
  simple-ai-gateway alert --test
  simple-ai-gateway alert --test --config /etc/simple-ai-gateway/config.jsonc --channel email`;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      test: { type: "boolean", default: false },
      config: { type: "string", default: "config.jsonc" },
      channel: { type: "string" },
    },
    strict: true,
  });
  if (!values.test) {
    console.error("nothing to do without --test\nSee --help.");
    return 2;
  }
  const loaded = await readConfig(values.config, (name) => Deno.env.get(name));
  if (!loaded.ok) {
    for (const problem of loaded.problems) console.error(formatProblem(problem));
    return 1;
  }
  const { alerts } = loaded.config;
  if (alerts.length === 0) {
    console.error(`${values.config}: no channels under \`alerts\``);
    return 1;
  }
  const chosen = alerts.filter((one, index) =>
    values.channel === undefined || one.name === values.channel || one.type === values.channel ||
    values.channel === String(index + 1)
  );
  if (chosen.length === 0) {
    const names = alerts.map(({ name }) => name).join(", ");
    console.error(`--channel: expected one of ${names}, got \`${values.channel}\``);
    return 2;
  }
  const width = Math.max(...chosen.map(({ name }) => name.length));
  const results = await Promise.all(chosen.map(async (channel) => {
    const reason = await send(channel);
    console.log(`${channel.name.padEnd(width)}  ${reason === null ? "ok" : `failed: ${reason}`}`);
    return reason === null;
  }));
  return results.every((ok) => ok) ? 0 : 1;
}

/** null when the message was taken. */
async function send(channel: AlertChannelConfig): Promise<string | null> {
  const messenger = makeMessenger(channel, () => new Date(), hostname());
  const error = await deliverOnce(messenger, testNotice());
  return error === null ? null : withoutSecrets(error.message, messenger.secrets);
}

function testNotice(): Notice {
  return {
    alerts: [{
      time: new Date(),
      kind: "test",
      subject: "simple-ai-gateway",
      message: `this is a test of version ${VERSION}; alerts will come this way`,
      count: 1,
      suppressed: 0,
      severity: KINDS.test.severity,
      resolved: false,
    }],
    left: 0,
    source: hostname(),
  };
}
