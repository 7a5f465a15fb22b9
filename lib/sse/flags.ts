// What one event of a stream is, in bits. scan.ts and meaning.ts set them; whoever watches a stream
// reads them.

/** Says something that is a part of the answer and nothing else: a token, as a rule. */
export const PLAIN = 0;
/** `data: [DONE]`. */
export const DONE = 1;
/** Has a finish reason that is a real end (or is an API's own end event). */
export const FINISH = 2;
/** Has finish_reason "abort" or "error": the instance gave up. */
export const ABORT = 4;
/** Is an error event. */
export const ERROR = 8;
/** No event to a client: a comment, a blank line, fields without data, `data: null`. */
export const EMPTY = 16;
/** Only opens the answer (role chunk, `response.created`, `message_start`) or keeps it open (`ping`). */
export const OPENING = 32;
/** Carries usage figures. */
export const USAGE = 64;
/** Looks like an event of JSON but is none. */
export const MALFORMED = 128;
/** Told by more than its keys: read in full. Says nothing about the event itself. */
export const CLOSELY = 256;
/** Carries data that says nothing: an empty delta, an event of no known kind. */
export const SILENT = 512;
/** Says something but is no token: usage alone, a tool call's beginning, a text repeated at its end. */
export const APART = 1024;
/** Names the reason of the end; the API's own end event follows (`message_delta`). */
export const STOPPING = 2048;
/** Ends an answer for which no token was made: no end where nothing was said before it. */
export const HOLLOW = 4096;

/** Bits of events that take the answer no further. */
export const SAYS_NOTHING = EMPTY | OPENING | SILENT;
