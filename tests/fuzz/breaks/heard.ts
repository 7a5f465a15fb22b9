// What a client gets of an answer, without what differs between any two of them: names, times, and how
// many events carry it.

/** A body of one of four APIs, of which each reader knows the fields that it looks at. */
// deno-lint-ignore no-explicit-any -- a union of what the APIs' fields may be would be cast at each of them
export type Any = any;

/** Reads a response to its end. */
export async function heard(response: Response): Promise<Any> {
  const text = await response.text().catch((error) => `broken: ${error}`);
  if (!(response.headers.get("content-type") ?? "").includes("event-stream")) {
    return response.status === 200 ? without(JSON.parse(text)) : { status: response.status, text };
  }
  const all: Any = { dones: 0, errors: [], ids: new Set(), choices: {}, usage: [], types: [] };
  for (const block of text.split("\n\n")) {
    const data = block.split("\n").filter((line) => line.startsWith("data: "))
      .map((line) => line.slice(6)).join("\n");
    if (data === "") continue;
    if (data === "[DONE]") all.dones++;
    else note(all, JSON.parse(data));
  }
  all.ids = all.ids.size;
  // When a call opens of which nothing but the name has come is left to the server.
  for (const choice of Object.values<Any>(all.choices)) {
    if (choice.calls?.at(-1)?.arguments === "") choice.calls.pop();
  }
  delete all.last;
  return JSON.parse(JSON.stringify(all));
}

function note(all: Any, event: Any): void {
  if (event.error) all.errors.push(event.error);
  const id = event.id ?? event.message?.id ?? event.response?.id;
  if (id) all.ids.add(`${id} ${event.created ?? ""} ${event.model ?? ""} ${event.object ?? ""}`);
  if (event.type !== undefined) return noteTyped(all, event);
  if (event.prompt_token_ids) (all.prompts ??= []).push(event.prompt_token_ids.length);
  for (const choice of event.choices ?? []) noteChoice(all, choice, event);
  if (event.choices?.length === 0) all.usage.push(figures(event.usage));
}

function noteChoice(all: Any, choice: Any, event: Any): void {
  const known = all.choices[choice.index] ??= {
    ...{ text: "", reasoning: "", calls: [], ids: [], logprobs: [], ends: [], roles: 0 },
    prompts: [],
  };
  const { delta = {} } = choice;
  known.text += delta.content ?? choice.text ?? "";
  known.reasoning += delta.reasoning ?? delta.reasoning_content ?? "";
  if (delta.role) known.roles++;
  for (const call of delta.tool_calls ?? []) {
    const one = known.calls[call.index] ??= { ids: 0, name: "", arguments: "" };
    if (call.id) one.ids++;
    one.name += call.function?.name ?? "";
    one.arguments += call.function?.arguments ?? "";
  }
  known.ids.push(...choice.token_ids ?? []);
  if (choice.prompt_token_ids) known.prompts.push(choice.prompt_token_ids.length);
  const { logprobs } = choice;
  if (logprobs?.content) known.logprobs.push(...logprobs.content);
  if (logprobs?.tokens) {
    logprobs.tokens.forEach((one: Any, at: number) =>
      known.logprobs.push([one, logprobs.token_logprobs[at], logprobs.top_logprobs[at]])
    );
  }
  if (choice.finish_reason) known.ends.push([choice.finish_reason, choice.stop_reason]);
  if (event.usage) known.soFar = figures(event.usage);
}

/** An event of Messages or Responses. */
function noteTyped(all: Any, event: Any): void {
  const { type, delta } = event;
  if (all.types.at(-1) !== type) all.types.push(type);
  if (event.sequence_number !== undefined) {
    all.gaps ??= 0;
    if (all.last !== undefined && event.sequence_number !== all.last + 1) all.gaps++;
    all.last = event.sequence_number;
  }
  const place = `${event.index ?? event.output_index ?? ""} ${event.content_index ?? ""}`;
  const said = typeof delta === "string"
    ? delta
    : delta?.text ?? delta?.thinking ?? delta?.partial_json;
  if (said !== undefined) {
    all.choices[`${place} ${typeof delta === "string" ? type : delta.type}`] ??= "";
    all.choices[`${place} ${typeof delta === "string" ? type : delta.type}`] += said;
  }
  if (event.content_block) (all.blocks ??= []).push(without(event.content_block));
  if (type === "message_start") all.usage.push(figures(event.message.usage));
  if (type === "message_delta") {
    all.usage.push(figures(event.usage));
    all.end = delta;
  }
  if (event.response && /completed|incomplete|failed/.test(type)) {
    all.end = without(event.response);
  }
  if (event.item && type.endsWith("done")) (all.items ??= []).push(without(event.item));
}

const OWN = new Set(["id", "item_id", "call_id", "created", "created_at", "completed_at"]);

/** A value without names and times. */
function without(value: Any): Any {
  if (Array.isArray(value)) return value.map(without);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([name]) => !OWN.has(name))
      .map(([name, one]) => [name, name === "usage" ? figures(one) : without(one)]),
  );
}

/** Figures without what is said of caches, which differ. */
function figures(usage: Any): Any {
  if (typeof usage !== "object" || usage === null) return usage;
  return Object.fromEntries(
    Object.entries(usage).filter(([, value]) => typeof value === "number")
      .filter(([name]) => !name.includes("cache"))
      .sort(([a], [b]) => a < b ? -1 : 1),
  );
}
