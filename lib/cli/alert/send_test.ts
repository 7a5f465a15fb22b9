// One alert that only tells that alerts come through.

import type { Notice } from "../../alert/alert.ts";
import { makeMessenger } from "../../alert/channels/make.ts";
import { deliverOnce, withoutSecrets } from "../../alert/delivery.ts";
import { KINDS } from "../../alert/kinds.ts";
import type { AlertChannelConfig } from "../../config/config.ts";
import { hostname } from "../../process/alerts/alerting.ts";
import { VERSION } from "../../process/version.ts";

/** null when the channel took the message, else why it did not. */
export async function sendTest(channel: AlertChannelConfig): Promise<string | null> {
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
