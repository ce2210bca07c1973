// Where what belongs to the page lies: beside it, or within it as data URLs (the one-file page).

declare global {
  var evenbatchFiles: { [path: string]: string } | undefined;
}

export function fileAt(path: string): string {
  return globalThis.evenbatchFiles?.[path] ?? path;
}

// How the page was had: "server" if `evenbatch lesson` serves it, "device" if nobody trains but it.
export function served(): "server" | "device" {
  return document.querySelector('meta[name="evenbatch"]')?.getAttribute("content") === "device" ? "device" : "server";
}

export function server(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`;
}
