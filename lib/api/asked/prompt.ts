// A request's conversation as vLLM's `/tokenize` takes it, so that its ids are those of the prompt that vLLM
// makes of the request itself. For the record a conversation is told in another way (conversation.ts).

import { isObject, type Json, objectsIn } from "../../json/json.ts";

/** The body of `/tokenize` but for the model; null where the request's prompt cannot be made so. */
export type Prompt = Json | null;

/** The options of a template that follow from an effort of reasoning, as vLLM sets them. */
export function templateOptions(given: unknown, effort: unknown): Json {
  const own = isObject(given) ? given : {};
  if (typeof effort !== "string") return own;
  return { enable_thinking: effort !== "none", ...own, reasoning_effort: effort };
}

/** Chat completions: fields of the same names. */
export function promptOfChat(request: Json): Prompt {
  const messages = objectsIn(request.messages);
  const continues = request.continue_final_message === true;
  const isDrawnFromElsewhere = request.documents !== undefined && request.documents !== null;
  if (messages.length === 0 || isDrawnFromElsewhere) return null;
  const prompt: Json = {
    messages,
    add_generation_prompt: continues ? false : request.add_generation_prompt ?? true,
    continue_final_message: continues,
    chat_template_kwargs: templateOptions(request.chat_template_kwargs, request.reasoning_effort),
  };
  for (const name of ["tools", "chat_template", "add_special_tokens", "mm_processor_kwargs"]) {
    if (request[name] !== undefined) prompt[name] = request[name];
  }
  return prompt;
}
