// What a page asks the gateway for again and again while it is open.

import { useEffect, useState } from "./vendor/libraries.js";

/**
 * The answer of `path`, asked for anew every `everyMs` and whenever `session` or `path` changes; `value` is
 * null before the first and after a refusal. A `path` of null asks nothing.
 */
export function usePolled(api, path, everyMs, session) {
  const [found, setFound] = useState({ value: null, problem: "" });
  useEffect(() => {
    if (path === null) return setFound({ value: null, problem: "" });
    const ending = new AbortController();
    let timer;
    const look = async () => {
      try {
        setFound({ value: await api.get(path, ending.signal), problem: "" });
      } catch (error) {
        if (ending.signal.aborted) return;
        // Refused: signing in asks anew.
        if (error.status === 401 || error.status === 403) {
          return setFound({ value: null, problem: error.message });
        }
        setFound(({ value }) => ({ value, problem: error.message }));
      }
      timer = setTimeout(look, everyMs);
    };
    look();
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [path, session]);
  return found;
}
