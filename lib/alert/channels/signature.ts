// The signatures that chat robots ask for.

/** HMAC-SHA256 in base64. */
export async function hmacSha256(key: string, data: string): Promise<string> {
  const encoder = new TextEncoder();
  const imported = await crypto.subtle.importKey(
    "raw",
    encoder.encode(key),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const signed = await crypto.subtle.sign("HMAC", imported, encoder.encode(data));
  return btoa(String.fromCharCode(...new Uint8Array(signed)));
}
