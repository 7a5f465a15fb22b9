// vLLM's error bodies: `{"error":{message,type,param,code}}` with the HTTP status as an integer code.

/** An error answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    readonly param: string | null = null,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }

  /** The body's text. */
  body(): string {
    return JSON.stringify({ error: this.object() });
  }

  object(): { message: string; type: string; param: string | null; code: number } {
    return { message: this.message, type: this.type, param: this.param, code: this.status };
  }
}

/** 404 for a model that is not served; `served` are the names that are. */
export function unknownModel(model: string, served: readonly string[]): ApiError {
  return new ApiError(
    404,
    "NotFoundError",
    `The model \`${model}\` does not exist. Valid aliases: ${served.join(", ")}.`,
    "model",
  );
}

/** 400 for a parameter with a value that cannot be. */
export function badParameter(message: string, param: string | null = null): ApiError {
  return new ApiError(400, "BadRequestError", message, param);
}

/** 400 in the words of the body's validation. `input` is shown as Python would. */
export function invalidBody(type: string, location: string, message: string): ApiError {
  const path = location === "" ? "body" : `body.${location}`;
  return new ApiError(
    400,
    "Bad Request",
    `1 validation error:\n  {'type': '${type}', 'loc': '${path}', 'msg': '${message}'}`,
    location === "" ? null : path,
  );
}

/** 400 for a prompt that leaves no room. */
export function contextTooLong(maximum: number, input: number, output: number): ApiError {
  return badParameter(
    `This model's maximum context length is ${maximum} tokens. However, you requested ${output} ` +
      `output tokens and your prompt contains ${input} input tokens, for a total of ` +
      `${input + output} tokens. Please reduce the length of the input prompt or the number of ` +
      `requested output tokens.`,
    "input_tokens",
  );
}

/** 500 as given once the engine is lost. */
export function engineDead(): ApiError {
  return new ApiError(
    500,
    "InternalServerError",
    "EngineCore encountered an issue. See stack trace (above) for the root cause.",
  );
}

/** 503 as given under `--max-num-queued-reqs` for one request too many; no Retry-After comes with it. */
export function busy(): ApiError {
  return new ApiError(
    503,
    "Service Unavailable",
    "The engine is currently busy and cannot accept new requests. " +
      "Please try again later or on a different instance.",
  );
}

/** 500 as given for a new request while a server with `--shutdown-timeout` finishes the others. */
export function shuttingDown(): ApiError {
  return new ApiError(
    500,
    "InternalServerError",
    "cannot schedule new futures after shutdown",
  );
}

/** 500 as given for a failed generation. */
export function internalError(): ApiError {
  return new ApiError(500, "InternalServerError", "Internal server error");
}

/** The same error as vLLM's Anthropic paths write it. */
export function anthropicBody(error: ApiError): string {
  return JSON.stringify({
    type: "error",
    error: { type: error.type, message: error.message },
  });
}
