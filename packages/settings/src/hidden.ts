import { quote } from './units.ts';

/** What stands where a secret would. */
export const hidden = '[hidden]';

/** User and password of any URL in the text made unreadable. */
export function hideUserinfo(text: string): string {
  return text.includes('@') ? text.replace(/(\/\/|^)[^\s/]*@/g, `$1${hidden}@`) : text;
}

/** `quote` for a value that may be a URL. */
export const quoteOpen = (text: string): string => quote(hideUserinfo(text));
