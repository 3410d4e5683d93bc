/** The parameters of a request target, not decoded. */
const pairsOf = (url: string): string[] => {
  const from = url.indexOf('?');
  return from < 0 ? [] : url.slice(from + 1).split('&');
};

/** The decoded name. A name that cannot be decoded is used as it is. */
function nameOf(pair: string): string {
  const end = pair.indexOf('=');
  return decode(end < 0 ? pair : pair.slice(0, end));
}

/** A `+` is not decoded to a blank: tokens have no blanks, and many have a `+`. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The token in the query, or undefined. Two tokens are joined, so they are not valid. */
export function tokenOf(url: string, parameter: string): string | undefined {
  const values = pairsOf(url)
    .filter((pair) => nameOf(pair) === parameter)
    .map((pair) => (pair.includes('=') ? decode(pair.slice(pair.indexOf('=') + 1)) : ''));
  return values.length === 0 ? undefined : values.join(',');
}
