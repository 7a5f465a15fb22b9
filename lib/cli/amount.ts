// How many there are of something, as people say it.

/** "1 file", "2 files"; `many` where an s does not make it so. */
export function amount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
