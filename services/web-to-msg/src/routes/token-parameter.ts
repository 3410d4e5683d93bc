/** The parameters of a target, as pairs of their bytes. */
const pairsOf = (url: string): string[] => {
  const from = url.indexOf('?');
  return from < 0 ? [] : url.slice(from + 1).split('&');
};

/** The name as its sender meant it; what cannot be decoded is taken as it came. */
function nameOf(pair: string): string {
  const end = pair.indexOf('=');
  return decode(end < 0 ? pair : pair.slice(0, end));
}

/** Without the rule of forms that `+` is a blank: tokens have no blanks, and many have a `+`. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The token in the query; undefined where there is none. Two of them are no token. */
export function tokenOf(url: string, parameter: string): string | undefined {
  const values = pairsOf(url)
    .filter((pair) => nameOf(pair) === parameter)
    .map((pair) => (pair.includes('=') ? decode(pair.slice(pair.indexOf('=') + 1)) : ''));
  return values.length === 0 ? undefined : values.join(',');
}
