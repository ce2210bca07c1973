// A chart of curves as a picture that stands by itself: title, axes with names, key, and what was trained.

import type uPlot from "uplot";

import type { Run } from "../live/run";
import type { TrialShown } from "../made/messages";
import { t } from "../words";
import { aligned, curvesOf, options, type Arm, plotting, type Quantity } from "./live";
import { colorOf, looks, shapeOf } from "./looks";

const WIDE = 1200;
const HIGH = 620;
const LINE = 30;
const EDGE = 28;

export async function pictured(run: Run, quantity: Quantity, title: string, note: string, most: number, arms: Arm[], of: (trial: TrialShown) => string[]): Promise<HTMLCanvasElement> {
  const Plot = await plotting();
  const box = document.createElement("div");
  box.className = "live away";
  box.style.width = `${WIDE}px`;
  document.body.append(box);
  const percent = quantity === "metric";
  const shown = options(Plot, box, arms, percent, most);
  const names = [t("chart.step"), title];
  shown.axes!.forEach((axis, i) => Object.assign(axis, { label: names[i], labelSize: 24, labelFont: "14px system-ui, sans-serif", font: "14px system-ui, sans-serif" }));
  const plot = new Plot({ ...shown, width: WIDE, height: HIGH }, aligned(curvesOf(run, quantity, arms, of)), box);
  await new Promise((drawn) => setTimeout(drawn)); // uPlot draws in a microtask of its own
  const canvas = onPaper(plot, box, title, note, arms);
  plot.destroy();
  box.remove();
  return canvas;
}

function onPaper(plot: uPlot, box: HTMLElement, title: string, note: string, arms: Arm[]): HTMLCanvasElement {
  const chart = plot.ctx.canvas;
  const scale = chart.width / WIDE;
  const paper = document.createElement("canvas");
  paper.width = chart.width;
  paper.height = chart.height + scale * (2 * EDGE + LINE * (arms.length + 2));
  const pen = paper.getContext("2d")!;
  const style = getComputedStyle(document.documentElement);
  pen.fillStyle = style.getPropertyValue("--sheet").trim();
  pen.fillRect(0, 0, paper.width, paper.height);
  pen.drawImage(chart, 0, scale * (EDGE + LINE));
  pen.scale(scale, scale);
  const ink = style.getPropertyValue("--ink").trim();
  const write = (text: string, x: number, y: number, font: string) => {
    pen.fillStyle = ink;
    pen.font = `${font} system-ui, sans-serif`;
    pen.fillText(text, x, y, WIDE - x - EDGE);
  };
  write(title, EDGE, EDGE + 14, "600 20px");
  looks(arms.map((arm) => arm.id)).forEach((look, i) => {
    const y = HIGH + EDGE + LINE * (i + 2);
    pen.strokeStyle = pen.fillStyle = colorOf(box, look);
    pen.lineWidth = 3;
    pen.setLineDash(look.dash);
    pen.beginPath();
    pen.moveTo(EDGE, y);
    pen.lineTo(EDGE + 60, y);
    pen.stroke();
    pen.setLineDash([]);
    const marker = new Path2D();
    marker.addPath(new Path2D(`M0 0${shapeOf(look)}`), new DOMMatrix([1.4, 0, 0, 1.4, EDGE + 30, y]));
    if (look.hollow) pen.fillStyle = style.getPropertyValue("--sheet").trim();
    pen.fill(marker);
    if (look.hollow) pen.stroke(marker);
    write(arms[i]!.name, EDGE + 76, y + 5, "15px");
  });
  write(note, EDGE, HIGH + EDGE + LINE * (arms.length + 2) + 5, "13px");
  return paper;
}
