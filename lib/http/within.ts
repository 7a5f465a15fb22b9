// Waiting for something, but not for ever.

/**
 * What `work` resolves to, or `late` where that takes longer than `ms`. Rejects as `work` does until then; what
 * comes of it later is nobody's.
 */
export async function within<T, Late>(
  ms: number,
  work: T | Promise<T>,
  late: Late,
): Promise<T | Late> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<Late>((resolve) => {
    timer = setTimeout(() => resolve(late), ms);
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
}
