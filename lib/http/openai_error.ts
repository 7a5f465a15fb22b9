// The shape of an error as the OpenAI API and vLLM give it.

const TYPES: Readonly<Record<number, string>> = {
  400: "BadRequestError",
  401: "AuthenticationError",
  403: "PermissionDeniedError",
  404: "NotFoundError",
  405: "MethodNotAllowedError",
  408: "RequestTimeoutError",
  413: "PayloadTooLargeError",
  415: "UnsupportedMediaTypeError",
  429: "RateLimitError",
  500: "InternalServerError",
  501: "NotImplementedError",
  502: "BadGatewayError",
  503: "ServiceUnavailableError",
  504: "GatewayTimeoutError",
  508: "LoopDetectedError",
};

const encoder = new TextEncoder();

/** The error object, `code` being the HTTP status as a number as in vLLM; `named` is a type of its own. */
export function openAiError(
  status: number,
  message: string,
  param: string | null = null,
  named: string | null = null,
) {
  const type = named ?? TYPES[status] ?? (status < 500 ? "BadRequestError" : "InternalServerError");
  return { error: { message, type, param, code: status } };
}

/** The same as the bytes of a JSON body. */
export function openAiErrorBody(
  status: number,
  message: string,
  param: string | null = null,
  named: string | null = null,
): Uint8Array {
  return encoder.encode(JSON.stringify(openAiError(status, message, param, named)));
}
