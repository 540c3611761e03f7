const REDACTED = '***';
/** Shorter parts of an address are words such as "api"; hiding each would only make the rest unreadable. */
const SHORTEST_PART = 4;

/**
 * All that may be secret in a request, and must not come back in an error: servers like to repeat what they were asked for.
 * @param token as it is in a header
 */
export function secretsOf(url: URL, token: string | undefined): string[] {
  const parts = [
    url.username,
    url.password,
    ...url.pathname.split('/'),
    ...url.searchParams.values(),
    url.hash.slice(1),
  ];
  const whole = [url.href, `${url.pathname}${url.search}`, url.search.slice(1)];
  const forms = [...parts, ...whole]
    .filter((part) => part.length >= SHORTEST_PART)
    .flatMap((part) => [part, decoded(part)]);
  return [...(token === undefined ? [] : [token]), ...forms].filter((form) => form !== '');
}

/** The text without them, in whatever case they are in. */
export function redact(text: string, secrets: readonly string[]): string {
  // The longest first: a part of it must not break up the whole.
  const sorted = secrets.toSorted((a, b) => b.length - a.length);
  const pattern = sorted.map((secret) => secret.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  return pattern === '' ? text : text.replace(new RegExp(pattern, 'gi'), REDACTED);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}
