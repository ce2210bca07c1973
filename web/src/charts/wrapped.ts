// Words of a chart in lines: SVG breaks none by itself.

export const LETTER = 6.9; // pixels of a letter, on average, at the size of a chart's words

// A name in as many lines as its place needs.
export function wrapped(label: string, room: number): string[] {
  const found: string[] = [];
  for (const word of label.split(/\s+/)) {
    const last = found[found.length - 1];
    if (last !== undefined && (last.length + word.length + 1) * LETTER <= room) found[found.length - 1] = `${last} ${word}`;
    else found.push(word);
  }
  return found;
}

