// `alert`: which channels there are, and with `--test` whether messages get through to people, before
// there is need for one.

import { command } from "./command/command.ts";
import { optional, toggle } from "./command/flag.ts";
import { text } from "./command/kind.ts";
import { UsageError } from "./command/read.ts";
import { configFlag, readOrSay } from "./config_file.ts";

export const alert = command({
  name: "alert",
  summary: "shows the configured channels, and sends a test alert through them",
  flags: {
    test: toggle("send a test alert through every channel under `alerts` in the configuration"),
    config: configFlag("configuration"),
    channel: optional(
      text("NAME"),
      "only this channel: its name, its type, or its number in the list from 1",
    ),
  },
  details:
    `Without --test nothing is sent: it names the channels. With it each is tried once, whatever its
kinds and min_severity, and gets a line: ok, or what is wrong. Exits with 0 when all took the
message, 1 when one did not or none is configured.`,
  examples: [
    "simple-ai-gateway alert",
    "simple-ai-gateway alert --test",
    "simple-ai-gateway alert --test --config /etc/simple-ai-gateway/config.jsonc --channel email",
  ],
}, async ({ values }) => {
  const loaded = await readOrSay(values.config);
  if (loaded === null) return 1;
  const { alerts } = loaded.config;
  if (alerts.length === 0) {
    console.error(
      `${values.config}: no channels under \`alerts\`; one is an entry such as ` +
        '{"type": "webhook", "url": "https://…"}',
    );
    return 1;
  }
  const chosen = alerts.filter((one, index) =>
    values.channel === undefined || one.name === values.channel || one.type === values.channel ||
    values.channel === String(index + 1)
  );
  if (chosen.length === 0) {
    const names = alerts.map(({ name }) => name).join(", ");
    throw new UsageError(`--channel: expected one of ${names}, got \`${values.channel}\``);
  }
  const width = Math.max(...chosen.map(({ name }) => name.length));
  if (!values.test) {
    for (const { name, type } of chosen) console.log(`${name.padEnd(width)}  ${type}`);
    console.error("Nothing was sent; --test tries them.");
    return 0;
  }
  const { sendTest } = await import("./alert/send_test.ts");
  const results = await Promise.all(chosen.map(async (channel) => {
    const reason = await sendTest(channel);
    console.log(`${channel.name.padEnd(width)}  ${reason === null ? "ok" : `failed: ${reason}`}`);
    return reason === null;
  }));
  return results.every((ok) => ok) ? 0 : 1;
});
