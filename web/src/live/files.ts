// Where what belongs to the page lies: beside it, or within it as data URLs (the one-file page).

declare global {
  var evenbatchFiles: { [path: string]: string } | undefined;
}

export function fileAt(path: string): string {
  return globalThis.evenbatchFiles?.[path] ?? path;
}

// Who can train for this page, as whoever serves it wrote into its head: this device alone, or the
// server, or both.
export function trainers(): "device" | "both" | "server" {
  const found = document.querySelector('meta[name="evenbatch"]')?.getAttribute("content");
  return found === "device" || found === "both" ? found : "server";
}

export function server(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`;
}
