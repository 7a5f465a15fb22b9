// The way to the gateway: requests with the token when there is one, and the live feed, which is read
// with fetch since an EventSource cannot carry a token.

const TOKEN = "dashboard-token";
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;
/** The feed says something every second; when it is silent for so long the connection is dead. */
const SILENT_MS = 10_000;

/** An answer that is no success; `status` is 0 when there was none. `type` is that of OpenAI's shape, else "". */
export class ApiError extends Error {
  constructor(status, message, type = "") {
    super(message);
    this.status = status;
    this.type = type;
  }
}

/** What is said of an error: in the reader's language where the page knows it, else in the gateway's words. */
export function problemText(t, error) {
  if (error.type === "TooManyReadsError") return t("too_many_reads");
  return error.status === 0 ? t("no_answer") : error.message;
}

/** What is done with this browser's storage, as far as it allows that. */
export function stored(action) {
  try {
    return action();
  } catch {
    // Storage is switched off: what would be kept lasts as long as the page.
    return null;
  }
}

export class Api {
  #base = new URL("api/", document.baseURI);

  #token = stored(() => sessionStorage.getItem(TOKEN));

  get token() {
    return this.#token;
  }

  set token(value) {
    this.#token = value;
    stored(() =>
      value === null ? sessionStorage.removeItem(TOKEN) : sessionStorage.setItem(TOKEN, value)
    );
  }

  get(path, signal) {
    return this.#json(path, { signal });
  }

  /** A text is sent as it is, anything else as JSON. */
  post(path, body = {}) {
    const isText = typeof body === "string";
    return this.#json(path, {
      method: "POST",
      headers: { "content-type": isText ? "text/plain" : "application/json" },
      body: isText ? body : JSON.stringify(body),
    });
  }

  /** Has the browser keep an answer as a file. */
  async save(path, name) {
    const response = await this.#fetch(path);
    const url = URL.createObjectURL(await response.blob());
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    // The browser has begun by then.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  /** Calls `on.message(name, value)` and `on.state(text)` until the returned function is called. */
  live(on) {
    const ending = new AbortController();
    this.#follow(on, ending.signal);
    return () => ending.abort();
  }

  async #follow(on, signal) {
    let wait = FIRST_RETRY_MS;
    while (!signal.aborted) {
      try {
        const response = await this.#fetch("live", { signal });
        on.state("live");
        wait = FIRST_RETRY_MS;
        await readEvents(response.body, on.message);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
          return on.refused(error);
        }
      }
      if (signal.aborted) return;
      on.state("lost");
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(wait * 2, LAST_RETRY_MS);
    }
  }

  async #json(path, init) {
    return await (await this.#fetch(path, init)).json();
  }

  async #fetch(path, init = {}) {
    const headers = new Headers(init.headers);
    if (this.token !== null) headers.set("authorization", `Bearer ${this.token}`);
    let response;
    try {
      response = await fetch(new URL(path, this.#base), { ...init, headers, redirect: "error" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, error.message);
    }
    if (!response.ok) {
      const { message, type } = await errorIn(response);
      throw new ApiError(response.status, message, type);
    }
    return response;
  }
}

/** The message of an error in OpenAI's shape, else the text, else the status. */
export async function errorText(response) {
  return (await errorIn(response)).message;
}

async function errorIn(response) {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text);
    if (typeof error?.message === "string") return error;
  } catch {
    // Not the gateway's own answer: its text is shown as it is.
  }
  return { message: text.slice(0, 500) || `HTTP ${response.status}` };
}

async function readEvents(body, onMessage) {
  await readBlocks(body, (block) => {
    let name = "message";
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (data !== "") onMessage(name, JSON.parse(data));
  }, SILENT_MS);
}

/** Calls `onBlock` for each part that ends in an empty line; rejects after `silentMs` without any. */
export async function readBlocks(body, onBlock, silentMs = 0) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let timer;
  const watch = () => {
    clearTimeout(timer);
    if (silentMs > 0) timer = setTimeout(() => reader.cancel(), silentMs);
  };
  try {
    for (;;) {
      watch();
      const { done, value } = await reader.read();
      if (done) return;
      rest = (rest + value).replaceAll("\r\n", "\n");
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) onBlock(block);
    }
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {
      // Broken already: that error has been thrown by the read.
    });
  }
}
