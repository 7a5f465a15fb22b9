// What a page asks the gateway for again and again while it is open.

import { problemText } from "./api.js";
import { html } from "./html.js";
import { useEffect, useState } from "./vendor/libraries.js";

/**
 * The answer of `path`, asked for anew every `everyMs` and whenever `session` or `path` changes; `value` is
 * null before the first and after a refusal, `problem` what was in its way, or null. A `path` of null asks nothing.
 */
export function usePolled(api, path, everyMs, session) {
  const [found, setFound] = useState({ value: null, problem: null });
  useEffect(() => {
    if (path === null) return setFound({ value: null, problem: null });
    const ending = new AbortController();
    let timer;
    const look = async () => {
      try {
        setFound({ value: await api.get(path, ending.signal), problem: null });
      } catch (error) {
        if (ending.signal.aborted) return;
        // Signing in asks anew.
        if (isRefusal(error)) {
          return setFound({ value: null, problem: error });
        }
        setFound(({ value }) => ({ value, problem: error }));
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

/** What was in the way of what a page is about, in words. */
export function Problem({ t, problem }) {
  return html`<p class="problem" role="alert">${
    problem === null ? "" : problemText(t, problem)
  }</p>`;
}

/** The same for a part of a page; nothing where who looks may not see it. */
export function PartProblem({ t, problem }) {
  return problem === null || isRefusal(problem)
    ? null
    : html`<${Problem} t=${t} problem=${problem} />`;
}

function isRefusal({ status }) {
  return status === 401 || status === 403;
}
