// What the instances of a configuration say when they are asked for their models: whether each answers
// with the key of the file, and serves what the file lists it for.

import { withoutSecrets } from "../../alert/delivery.ts";
import type { InstanceConfig } from "../../config/config.ts";
import { upstreamName } from "../../config/names.ts";
import { probe, type Probed } from "../probe.ts";

export interface Found {
  /** Whether the gateway could use it as it stands in the file. */
  ok: boolean;
  /** One line for people. */
  line: string;
}

/** In the order of the file; all are asked at once. */
export async function askInstances(instances: readonly InstanceConfig[]): Promise<Found[]> {
  const width = Math.max(...instances.map(({ name }) => name.length));
  return await Promise.all(instances.map(async (instance) => {
    const { name, origin, pathPrefix, apiKey } = instance;
    const found = judge(instance, await probe(`${origin}${pathPrefix}`, apiKey ?? undefined));
    const said = withoutSecrets(found.line, apiKey ? [apiKey] : []);
    return { ok: found.ok, line: `${name.padEnd(width)}  ${said}` };
  }));
}

function judge(instance: InstanceConfig, { models, server, problem, status }: Probed): Found {
  if (status === 401 || status === 403) {
    return instance.apiKey
      ? { ok: false, line: `refuses the \`api_key\` of the file: ${problem}` }
      : {
        ok: true,
        line: `asks for a key and the file has none, so clients must send theirs: ${problem}`,
      };
  }
  if (problem !== null) return { ok: false, line: problem };
  const served = models.map(({ name }) => name);
  const missing = instance.models.map((model) => upstreamName(instance, model))
    .filter((model) => !served.includes(model));
  const serves = `serves ${served.map((name) => `\`${name}\``).join(", ")}`;
  if (missing.length > 0) {
    const names = missing.map((name) => `\`${name}\``).join(", ");
    return { ok: false, line: `does not serve ${names}: it ${serves} (see \`upstream_model\`)` };
  }
  return { ok: true, line: `ok, ${serves}${server === null ? "" : `, ${server}`}` };
}
