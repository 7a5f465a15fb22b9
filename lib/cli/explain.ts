// `explain`: where a running gateway would send a request, and where it sent the last ones. Nothing is sent
// to an instance.

import type { DecisionTaken } from "../process/pages/decisions.ts";
import type { ExplainAnswer } from "../server/explain.ts";
import { isObject } from "../json/json.ts";
import { command } from "./command/command.ts";
import { optional, repeated, toggle, withDefault } from "./command/flag.ts";
import { path, text, whole } from "./command/kind.ts";
import { UsageError } from "./command/read.ts";
import { areDecisions, isExplanation } from "./explain/answers.ts";
import { askGateway } from "./explain/ask.ts";
import { explanation, trace } from "./explain/table.ts";
import { fileWords } from "../observe/file_words.ts";

export const explain = command({
  name: "explain",
  summary: "says where a running gateway would send a request, and why",
  flags: {
    request: optional(path("FILE"), "the request's JSON body; - reads standard input"),
    path: optional(
      text("PATH"),
      "path of the request, such as /v1/chat/completions; by the body's fields where it is missing",
    ),
    group: optional(text("NAME"), "as for a key of this group, whose cache_salt counts"),
    trace: optional(
      whole("N", 1, 1024),
      "instead, where the last N requests went",
      { alone: "20" },
    ),
    replay: repeated(
      path("FILE"),
      "instead, offline, what strategies would have brought for recorded traffic; a folder stands for its records",
    ),
    strategy: repeated(text("A,B"), "with --replay: these alone"),
    instances: optional(
      whole("N", 1, 1000),
      "with --replay: so many; as many as have answered where it is missing",
    ),
    "kv-tokens": withDefault(
      whole("N", 1),
      "1000000",
      "with --replay: tokens that an instance's KV cache holds",
    ),
    "tokens-per-second": withDefault(
      whole("N", 1),
      "8000",
      "with --replay: prompt tokens that an instance computes in a second",
    ),
    url: withDefault(text("URL"), "http://127.0.0.1:9999", "address of the gateway"),
    token: optional(
      text("TOKEN"),
      "admin.token of its configuration; ADMIN_TOKEN in the environment is taken where this is missing",
    ),
    json: toggle("everything there is to know, as JSON"),
  },
  details:
    `Nothing is sent to an instance, and nothing of the gateway changes. cached: tokens of the prompt
that an instance is taken to hold; before it: tokens that it has to compute first; under way:
requests of this gateway there (and those of others). docs/guides/routing.md explains the rest.`,
  examples: [
    "simple-ai-gateway explain --request body.json",
    "simple-ai-gateway explain --trace 50",
    "simple-ai-gateway explain --replay data/requests_responses --strategy round_robin,prefix_aware",
  ],
}, async ({ values }) => {
  const gateway = { url: values.url, token: values.token ?? Deno.env.get("ADMIN_TOKEN") };
  const asked = [values.request, values.trace, values.replay[0]].filter((one) => one !== undefined);
  if (asked.length !== 1) {
    throw new UsageError("expected one of --request FILE, --trace N and --replay FILE");
  }
  if (values.replay.length > 0) return await replayed(values);
  try {
    if (values.trace !== undefined) {
      const target = `/admin/decisions?last=${values.trace}`;
      const { decisions } = await askGateway<{ decisions: DecisionTaken[] }>(
        gateway,
        target,
        areDecisions,
      );
      console.log(values.json ? JSON.stringify(decisions, null, 2) : trace(decisions));
      return 0;
    }
    const body = await readRequest(values.request!);
    const query = new URLSearchParams({ path: values.path ?? pathOf(body) });
    if (values.group !== undefined) query.set("group", values.group);
    const answer = await askGateway<ExplainAnswer>(
      gateway,
      `/admin/explain?${query}`,
      isExplanation,
      body,
    );
    console.log(values.json ? JSON.stringify(answer, null, 2) : explanation(answer));
    return answer.instance === null ? 2 : 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
});

interface ReplayFlags {
  readonly replay: readonly string[];
  readonly strategy: readonly string[];
  readonly instances: number | undefined;
  readonly "kv-tokens": number;
  readonly "tokens-per-second": number;
  readonly json: boolean;
}

async function replayed(flags: ReplayFlags): Promise<number> {
  const { replayRecords, replayTable, strategiesIn } = await import("./explain/replay/run.ts");
  let wanted: string[];
  try {
    wanted = strategiesIn(flags.strategy);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  try {
    const { models, passedOver, isCut } = await replayRecords({
      paths: flags.replay,
      strategies: wanted,
      instances: flags.instances,
      kvTokens: flags["kv-tokens"],
      tokensPerSecond: flags["tokens-per-second"],
    });
    console.log(flags.json ? JSON.stringify(models, null, 2) : replayTable(models));
    if (passedOver > 0) {
      console.error(
        `${passedOver} ${
          passedOver === 1 ? "line is no record" : "lines are no records"
        } of requests`,
      );
    }
    if (isCut) console.error("there are more records: only the first ones of the files were taken");
    return 0;
  } catch (error) {
    console.error(fileWords(error));
    return 1;
  }
}

async function readRequest(file: string): Promise<Uint8Array<ArrayBuffer>> {
  if (file === "-") return new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
  try {
    return await Deno.readFile(file);
  } catch (error) {
    throw new Error(fileWords(error));
  }
}

/** The API whose requests have such fields. */
function pathOf(body: Uint8Array): string {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch {
    // The gateway says what is wrong with it.
    return "/v1/chat/completions";
  }
  if (!isObject(value)) return "/v1/chat/completions";
  if ("messages" in value) return "system" in value ? "/v1/messages" : "/v1/chat/completions";
  if ("prompt" in value) return "/v1/completions";
  return "input" in value ? "/v1/responses" : "/v1/chat/completions";
}
