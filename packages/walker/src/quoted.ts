const MAX_CHARACTERS = 100;

/** Text from outside, for a message: as JSON, cut after 100 characters. */
export const quoted = (text: string): string => JSON.stringify(text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text);
