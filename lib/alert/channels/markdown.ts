// Text that must stay text inside the markdown of chat services, which have no escapes for all of it.

/** A space without width after what begins a tag, a mention, a link or emphasis. */
export function inert(text: string): string {
  return text.replace(/[<@*`[\]!#]/g, "$&\u200b");
}
