// POST /v1/audio/transcriptions and /translations: the model is a field of a form, and what is heard
// depends on the file's bytes alone.

import { answerChat } from "./answer.ts";
import type { Engine } from "./engine.ts";
import { badParameter, invalidBody, unknownModel } from "./errors.ts";
import { EventStream } from "./event_stream.ts";
import { type Exchange, type Json, sendJson } from "./exchange.ts";
import { scramble } from "./model.ts";

/** Answers a form. Rejects with ApiError before anything was sent. */
export async function audio(exchange: Exchange, engine: Engine): Promise<void> {
  const form = await readForm(exchange);
  const file = form.get("file");
  if (!(file instanceof File)) throw invalidBody("missing", "file", "Field required");
  const model = form.get("model");
  if (typeof model === "string" && model !== "" && !engine.options.models.includes(model)) {
    throw unknownModel(model, engine.options.models);
  }
  const format = String(form.get("response_format") ?? "json");
  if (!["json", "text", "verbose_json"].includes(format)) {
    throw badParameter(`response_format "${format}" is not supported`, "response_format");
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (exchange.reply.finished) return;
  let sum = 0;
  for (const byte of bytes) sum = scramble(sum * 31 + byte);
  const streamed = form.get("stream") === "true";
  const head = {
    id: `trsc-${exchange.id}`,
    object: "transcription.chunk",
    created: Math.floor(Date.now() / 1000),
    model: model ?? engine.model,
  };
  let events: EventStream | null = null;
  const send = (delta: Json, finish: string | null) =>
    events?.send(
      `data: ${
        JSON.stringify({ ...head, choices: [{ delta, finish_reason: finish, stop_reason: null }] })
      }\n\n`,
    );
  // Half a minute of speech is what the model hears at once; here a file always is as much.
  const seconds = Math.max(1, Math.round(bytes.length / 32_000));
  answerChat(
    exchange,
    engine,
    {
      messages: [{ role: "user", content: `audio ${sum >>> 0}` }],
      temperature: Number(form.get("temperature") ?? 0),
      chat_template_kwargs: { enable_thinking: false },
    },
    () => {
      if (!streamed) return null;
      const opened = events = new EventStream(exchange, engine.options);
      return {
        events: opened,
        listener: {
          started: () => {},
          failed: (error) => opened.fail(error),
          tokens: (step) => {
            if (step.content !== "" || step.finish) send({ content: step.content }, step.finish);
          },
        },
      };
    },
    (said) => {
      if (events) {
        events.send("data: [DONE]\n\n");
        events.end();
      } else if (format === "text") {
        exchange.reply.send(200, { "content-type": "text/plain; charset=utf-8" }, said.content);
      } else {
        sendJson(exchange, {
          text: said.content,
          usage: { type: "duration", seconds },
          ...format === "verbose_json"
            ? { language: form.get("language") ?? "en", duration: String(seconds), segments: [] }
            : {},
        });
      }
    },
  );
}

async function readForm(exchange: Exchange): Promise<FormData> {
  const type = exchange.request.headers["content-type"] ?? "";
  if (!type.toLowerCase().startsWith("multipart/form-data")) {
    throw invalidBody("missing", "file", "Field required");
  }
  try {
    return await new Response(new Uint8Array(exchange.request.body), {
      headers: { "content-type": type },
    }).formData();
  } catch (error) {
    throw badParameter(`There was an error parsing the body: ${(error as Error).message}`);
  }
}
