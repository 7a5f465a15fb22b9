// Work that goes on until Ctrl-C, which is a proper end of it.

/** Takes Ctrl-C from the moment on that it is made. */
export class Interrupt implements Disposable {
  #came = false;
  #wake: () => void = () => {};
  readonly #listener = () => {
    this.#came = true;
    this.#wake();
  };

  constructor() {
    Deno.addSignalListener("SIGINT", this.#listener);
  }

  get came(): boolean {
    return this.#came;
  }

  /** Resolves after `ms`, or at once with Ctrl-C. */
  async pause(ms: number): Promise<void> {
    if (this.#came) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }

  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGINT", this.#listener);
  }
}
