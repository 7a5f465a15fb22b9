// The text of a new configuration: the annotated file that the project ships, with the answers in it.

import { parse } from "@humanwhocodes/momoa";
import template from "../../../config.jsonc" with { type: "text" };
import type { Probed } from "../probe.ts";

export interface Answers {
  instances: readonly Probed[];
  fallbacks: readonly Probed[];
  /** Model of those that could not be asked. */
  model: string;
  /** As it stands in the file, such as "${VLLM_API_KEY}". */
  apiKey: string | undefined;
  host: string;
  port: number;
  dataDir: string;
}

export function annotated(answers: Answers): string {
  const { instances, fallbacks, model, apiKey, host, port, dataDir } = answers;
  const list = (all: readonly Probed[], key: string | undefined) =>
    all.length === 0
      ? "[]"
      : `[\n${all.map((one) => entry(one, model, key)).join(",\n")}\n${INSTANCE_OPTIONS}\n  ]`;
  let text = template.replace(/^ *"\$schema".*\n\n?/m, "");
  text = replaced(text, "host", JSON.stringify(host));
  text = replaced(text, "port", String(port));
  text = replaced(text, "data_dir", JSON.stringify(dataDir));
  text = replaced(text, "instances", list(instances, apiKey));
  return replaced(text, "fallback_instances", list(fallbacks, undefined));
}

/** Offered below the last instance, switched off. */
const INSTANCE_OPTIONS = `    // An instance may also have:
    //   "upstream_model": "demo-fp8"   the name that it knows the model by
    //   "name": "gpu-1"                for logs and x-gateway-instance; default host:port
    //   "max_concurrency": 64          above it requests go elsewhere or wait
    //   "max_context": 32768           tokens; else read from its /v1/models
    //   "timeouts": { "first_byte": 600 }
    // and "weight" 0 drains it`;

function entry({ url, models, server, problem }: Probed, model: string, key?: string): string {
  const names = models.length === 0 ? [model] : models.map(({ name }) => name);
  const fields = [
    `"url": ${JSON.stringify(url)}`,
    `"model_name": ${JSON.stringify(names.length === 1 ? names[0] : names)}`,
    ...(key === undefined ? [] : [`"api_key": ${JSON.stringify(key)}`]),
    `"weight": 1`,
  ];
  const lengths = models.flatMap(({ maxLength }) => maxLength === null ? [] : [maxLength]);
  const said = problem === null
    ? [server, lengths.length === 0 ? null : `${lengths.join(", ")} tokens`]
    : [`could not be asked for its models: ${problem}`];
  const about = said.filter((one) => one !== null).join(", ");
  return `${about === "" ? "" : `    // ${about}\n`}    { ${fields.join(", ")} }`;
}

/** `text` with another value of the top-level option `name`. Throws when it has none. */
function replaced(text: string, name: string, value: string): string {
  const { body } = parse(text, { mode: "jsonc" });
  const members = body.type === "Object" ? body.members : [];
  const member = members.find((one) => one.name.type === "String" && one.name.value === name);
  if (!member) throw new Error(`the annotated configuration has no \`${name}\``);
  const { start, end } = member.value.loc;
  return text.slice(0, start.offset) + value + text.slice(end.offset);
}
