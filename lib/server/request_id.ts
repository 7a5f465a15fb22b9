// Names for requests: the client's own where it is sane, else a fresh one.

import { withoutKeys } from "../caller/key.ts";
import { header, type HeaderList } from "../http/message.ts";
import { inOnePiece, joinedInOnePiece } from "../json/one_piece.ts";

/** Makes ids that no other process or worker makes: a random start and a counter. */
export function requestIds(): (headers: HeaderList) => string {
  const start = crypto.randomUUID().replaceAll("-", "").slice(0, 20);
  let count = 0;
  return (headers) => {
    const given = header(headers, "x-request-id");
    const isSane = given !== undefined && /^[\w.:\-]{1,128}$/.test(given);
    // It is written down wherever the request is told of: a key is no name.
    if (isSane && withoutKeys(given) === given) return inOnePiece(given);
    return joinedInOnePiece(`${start}${(++count).toString(36).padStart(6, "0")}`);
  };
}
