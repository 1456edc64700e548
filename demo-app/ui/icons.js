// The icons: strokes on a square of 24, drawn as SVG elements.

const space = 'http://www.w3.org/2000/svg';
const shapes = {
  server: 'M4.5 5h15v5.5h-15zM4.5 13.5h15V19h-15zM7.5 7.75h.1M7.5 16.25h.1',
  globe: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM3.3 12h17.4M12 3c3 3 3.6 6 3.6 9S15 18 12 21c-3-3-3.6-6-3.6-9S9 6 12 3Z',
  api: 'M8.5 5 3.5 12l5 7M15.5 5l5 7-5 7',
  tick: 'm5 12.5 4.5 4.5L19 7.5',
  good: 'M12 2.75a9.25 9.25 0 1 0 0 18.5 9.25 9.25 0 0 0 0-18.5ZM7.75 12.4l3 3 5.75-6.25',
  bad: 'M12 2.75a9.25 9.25 0 1 0 0 18.5 9.25 9.25 0 0 0 0-18.5ZM12 7.25v5.5M12 16.5v.1',
  calm: 'M12 2.75a9.25 9.25 0 1 0 0 18.5 9.25 9.25 0 0 0 0-18.5ZM12 11.25v5.5M12 7.5v.1',
  unknown: 'M12 2.75a9.25 9.25 0 1 0 0 18.5 9.25 9.25 0 0 0 0-18.5ZM9.5 9.5a2.5 2.5 0 1 1 3.6 2.25c-.8.4-1.1.9-1.1 1.75M12 16.75v.1',
  turn: 'M20 12a8 8 0 1 1-2.4-5.7M20 3.5v4h-4',
  offline: 'M4 4l16 16M8.6 12.9a6 6 0 0 1 3.4-1.1M5.5 9.8A10 10 0 0 1 9 7.6M12.5 7a10.5 10.5 0 0 1 6 2.8M15.5 13.2l.4.3M12 18v.1',
  person: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM4.5 20.5c.8-3.7 3.7-5.5 7.5-5.5s6.7 1.8 7.5 5.5',
  add: 'M10 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM3 20.5c.7-3.7 3.4-5.5 7-5.5 1.6 0 3 .35 4.2 1.05M18 14v6.5M14.75 17.25h6.5',
  mail: 'M3.5 5.5h17v13h-17zM4 6.5l8 6.5 8-6.5',
  key: 'M8 10.5a4.25 4.25 0 1 0 0 8.5 4.25 4.25 0 0 0 0-8.5ZM11 11.7 19.5 3.5M15.5 7.3l3 3',
  enter: 'M13.5 4H19v16h-5.5M4 12h10.5M10.5 8l4 4-4 4',
  leave: 'M10.5 4H5v16h5.5M10 12h10M16 8l4 4-4 4',
  shield: 'M12 3l7.5 2.8v5.4c0 4.6-3 8-7.5 9.8-4.5-1.8-7.5-5.2-7.5-9.8V5.8ZM8.75 12l2.4 2.4 4.3-4.6',
  card: 'M3.5 5.5h17v13h-17zM8.5 9a1.75 1.75 0 1 0 0 3.5A1.75 1.75 0 0 0 8.5 9ZM5.75 16c.4-1.5 1.4-2.2 2.75-2.2s2.35.7 2.75 2.2M14 10h4M14 13.5h3',
  pencil: 'M4.5 19.5l.9-4L16 5l3 3L8.5 18.6ZM13.7 7.3l3 3',
  devices: 'M3.5 5h12.5v9H3.5zM2.5 18h9M14.5 11h6.5v8.5h-6.5z',
  link: 'M10 13.8a4.2 4.2 0 0 0 6.2.3l2.6-2.6a4.2 4.2 0 0 0-6-6l-1.1 1.1M14 10.2a4.2 4.2 0 0 0-6.2-.3l-2.6 2.6a4.2 4.2 0 0 0 6 6l1.1-1.1',
  bin: 'M5 7h14M9.5 7V4.5h5V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v5.5M13.7 10.5v5.5',
  box: 'M4 8l8-4 8 4v8.5l-8 4-8-4ZM4 8l8 4 8-4M12 12v8.5',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 7v5.25l3.5 2',
  lock: 'M5.5 10.5h13V20h-13zM8.5 10.5V8a3.5 3.5 0 0 1 7 0v2.5M12 14.25v2',
  list: 'M9 6h11M9 12h11M9 18h11M4.5 6h.1M4.5 12h.1M4.5 18h.1',
  wire: 'M4 8h13M13.5 4.5 17 8l-3.5 3.5M20 16H7M10.5 12.5 7 16l3.5 3.5',
  bolt: 'M13 3 5.5 13.5H11L10 21l8.5-11H13Z',
  window: 'M3.5 4.5h12v10h-12zM8.5 14.5v5h12v-10h-5M3.5 8h12',
  lost: 'M4 8h9.5M4 8l3.5-3.5M4 8l3.5 3.5M15 15l5 5M20 15l-5 5',
  eye: 'M2.5 12S6 5.75 12 5.75 21.5 12 21.5 12 18 18.25 12 18.25 2.5 12 2.5 12ZM12 9.25a2.75 2.75 0 1 0 0 5.5 2.75 2.75 0 0 0 0-5.5Z',
  eyeOff: 'M4 4l16 16M9.5 6.1A9 9 0 0 1 12 5.75C18 5.75 21.5 12 21.5 12a17 17 0 0 1-2.6 3.3M6 7.8A16.5 16.5 0 0 0 2.5 12S6 18.25 12 18.25c1.5 0 2.8-.4 4-1M10.2 10.2a2.75 2.75 0 0 0 3.7 3.7',
  back: 'M19.5 12h-15M10.5 6l-6 6 6 6',
  close: 'M6 6l12 12M18 6 6 18',
  out: 'M13.5 4.5h6v6M19.5 4.5l-9 9M10 5.5H4.5v14h14V14',
  wait: 'M12 3.5v4M12 16.5v4M3.5 12h4M16.5 12h4M6 6l2.8 2.8M15.2 15.2 18 18M18 6l-2.8 2.8M8.8 15.2 6 18',
  flag: 'M6 21V4M6 5h11.5l-2.5 4 2.5 4H6',
};

export function icon(name, size = 20) {
  const svg = svgElement('svg', { viewBox: '0 0 24 24', width: size, height: size, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.75, 'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true' });
  svg.append(svgElement('path', { d: shapes[name] ?? shapes.flag }));
  return svg;
}

// The sign of Propusk: a pass with a tick.
export function pass(size = 32) {
  const svg = svgElement('svg', { viewBox: '0 0 32 32', width: size, height: size, fill: 'currentColor', 'aria-hidden': 'true' });
  svg.append(svgElement('path', { 'fill-rule': 'evenodd', d: 'M9 2h14a5 5 0 0 1 5 5v18a5 5 0 0 1-5 5H9a5 5 0 0 1-5-5V7a5 5 0 0 1 5-5Zm4.25 4a1.25 1.25 0 0 0 0 2.5h5.5a1.25 1.25 0 0 0 0-2.5ZM22.4 15.2 15 22.6l-4.4-4.4-1.7 1.7 6.1 6.1 9.1-9.1Z' }));
  return svg;
}

export function svgElement(tag, attributes) {
  const element = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
