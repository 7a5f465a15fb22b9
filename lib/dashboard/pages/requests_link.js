// The address of the page of requests: which ones are meant, and which one is open.

/** Fields that are empty are left out. */
export function requestsLink(fields) {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== "" && value !== null && value !== undefined)
    // Twice: the whole of what follows the view's name is decoded once by the frame.
    .map(([name, value]) => `${name}=${encodeURIComponent(encodeURIComponent(value))}`);
  return `#/requests/${parts.join("&")}`;
}

/** The fields of such an address. */
export function fieldsIn(text) {
  const fields = {};
  for (const part of text.split("&")) {
    const at = part.indexOf("=");
    if (at > 0) fields[part.slice(0, at)] = decoded(part.slice(at + 1));
  }
  return fields;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    // Typed by hand: it is taken as it stands.
    return text;
  }
}
