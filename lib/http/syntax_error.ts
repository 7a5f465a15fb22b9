// An HTTP message that is not well-formed. Strictness is safety: what two parsers may read in two ways
// is refused (request smuggling).

export class HttpSyntaxError extends Error {
  override readonly name = "HttpSyntaxError";
  /** `status` is what a server answers to such a request. */
  constructor(message: string, readonly status = 400) {
    super(message);
  }
}
