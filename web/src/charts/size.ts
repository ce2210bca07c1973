// How wide a chart may be drawn, so that its words keep their size on a phone.

import { useEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";

// How much larger the page's words are than on a phone: on a projector a chart grows with them.
export function enlarged(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) / 17 || 1;
}

export function useWide<E extends HTMLElement>(first = 640): [RefObject<E>, number] {
  const box = useRef<E>(null);
  const [wide, setWide] = useState(first);
  useEffect(() => {
    const element = box.current!;
    const measure = () => element.clientWidth && setWide(Math.max(240, Math.round(element.clientWidth / enlarged())));
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return [box, wide];
}
