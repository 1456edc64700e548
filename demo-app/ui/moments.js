// Times and durations in words of the chosen language.
import { language, text } from './words.js';

// Milliseconds since 1970 from seconds, milliseconds or a text.
export function milliseconds(moment) {
  if (typeof moment === 'string' && Number.isNaN(Number(moment))) return Date.parse(moment);
  const number = Number(moment);
  return number < 100_000_000_000 ? number * 1000 : number;
}

export function timeOfDay(moment) {
  const shown = new Intl.DateTimeFormat(language(), { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
  return shown.format(milliseconds(moment));
}

export function dateAndTime(moment) {
  const shown = new Intl.DateTimeFormat(language(), { dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23' });
  return shown.format(milliseconds(moment));
}

// `14:05`, `1:02:09`: for a countdown.
export function clock(seconds) {
  const rest = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, '0');
  const [hours, minutes] = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest % 60)}` : `${minutes}:${two(rest % 60)}`;
}

// `7 seconds`, `15 minutes`, `3 days`.
export function duration(seconds) {
  const [count, unit] = measured(seconds);
  return new Intl.NumberFormat(language(), { style: 'unit', unit, unitDisplay: 'long' }).format(count);
}

// `in 5 minutes`, `now`. Not `in` before a duration: other languages have another form of the noun there.
export function fromNow(seconds) {
  if (seconds <= 0) return text('time.now');
  const [count, unit] = measured(seconds);
  return new Intl.RelativeTimeFormat(language()).format(count, unit);
}

// In the largest unit of which it has two.
function measured(seconds) {
  const size = Math.abs(Math.round(seconds));
  const steps = [[172_800, 86_400, 'day'], [7200, 3600, 'hour'], [120, 60, 'minute'], [0, 1, 'second']];
  const [, unit, name] = steps.find(([from]) => size >= from);
  return [Math.round(size / unit), name];
}
