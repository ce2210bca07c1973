// Files for the learner: what is shown, as CSV or PNG.

export function download(name: string, type: string, content: BlobPart): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// The chart's canvas on paper, with the names of its lines below.
export async function pictureOf(canvas: HTMLCanvasElement | null, names: string[]): Promise<void> {
  if (!canvas) return;
  const room = 40 * devicePixelRatio;
  const paper = document.createElement("canvas");
  paper.width = canvas.width;
  paper.height = canvas.height + room;
  const pen = paper.getContext("2d")!;
  const style = getComputedStyle(document.documentElement);
  pen.fillStyle = style.getPropertyValue("--sheet").trim();
  pen.fillRect(0, 0, paper.width, paper.height);
  pen.drawImage(canvas, 0, 0);
  pen.fillStyle = style.getPropertyValue("--ink").trim();
  pen.font = `${13 * devicePixelRatio}px system-ui, sans-serif`;
  pen.fillText(names.join("   ·   "), 12 * devicePixelRatio, canvas.height + room / 2);
  const blob = await new Promise<Blob | null>((resolve) => paper.toBlob(resolve));
  if (blob) download("evenbatch.png", "image/png", blob);
}
