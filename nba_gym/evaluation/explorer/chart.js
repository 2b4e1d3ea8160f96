"use strict";
// Both journeys over time: money, what was done, what was hidden. One scale of time for all.

const SHOWN = {
  loyalty: "loyalty (hidden, 0 to 1)",
  fatigue: "fatigue by contacts (hidden)",
  reference_discount: "discount the customer waits for (hidden, share of list price)",
};
const escaped = (text) => make("i", {}, text).innerHTML;

function drawChart(pair, i, now) {
  const box = document.getElementById("chart"), width = Math.max(box.clientWidth, 260);
  const horizon = about.horizon, edge = 44, step = (width - edge - 8) / horizon;
  const x = (t) => edge + t * step;
  const rows = [moneyRow(pair, i, x)];
  pair.forEach((p, side) => rows.push(deedRow(p, side, i, x)));
  for (const name of Object.keys(SHOWN))
    if (pair.every((p) => has(`${p}.hidden.${name}`))) rows.push(hiddenRow(pair, i, x, name));
  let y = 0;
  const parts = rows.map((row) => {
    const part = `<g transform="translate(0 ${y})"><text class="label" x="0" y="12">` +
      `${escaped(row.label)}</text><g transform="translate(0 24)">${row.drawing}</g></g>`;
    y += row.height + 42;
    return part;
  });
  let bands = "";
  for (let t = 0; t < horizon; t++)
    if (action(pair[0], i, t) !== action(pair[1], i, t))
      bands += `<rect class="differs" x="${x(t)}" y="0" width="${step + 0.3}" height="${y}"/>`;
  const marks = `<rect id="now" x="${x(now)}" y="0" width="${Math.max(step, 2)}" height="${y}"/>`;
  const every = [1, 2, 4, 5, 10, 13, 20, 26, 50].find((k) => k * step > 34) || 100;
  let axis = "";
  for (let t = 0; t < horizon; t += every)
    axis += `<text class="tick" x="${x(t + 0.5)}" y="${y + 10}" text-anchor="middle">${t}</text>`;
  axis += `<text class="label" x="${edge}" y="${y + 27}">${about.period} since acquisition</text>`;
  box.innerHTML = `<svg viewBox="0 0 ${width} ${y + 32}" width="${width}" height="${y + 32}" ` +
    `role="img" aria-label="both journeys over time">${bands}${marks}${parts.join("")}${axis}</svg>`;
  box.firstChild.addEventListener("click", (click) => {
    const t = Math.floor((click.clientX - box.getBoundingClientRect().left - edge) / step);
    if (t >= 0 && t < horizon) show(i, t);
  });
}

function line(values, side, y, x) {
  const points = values.map((value, t) => `${x(t + 0.5).toFixed(1)} ${y(value).toFixed(1)}`);
  return points.length ? `<path class="side${side}" d="M${points.join("L")}"/>` : "";
}

// lines of both on one scale, with its ends told at the left
function scaled(series, x, height, lowest, highest, digits) {
  const all = series.flat();
  const low = Math.min(lowest, ...all), high = Math.max(highest, ...all), range = high - low || 1;
  const y = (value) => height - ((value - low) / range) * height;
  const ends = [...new Set([low, ...(low < 0 && high > 0 ? [0] : []), high])]
    .filter((end) => end === low || Math.abs(y(end) - y(low)) > 11 && (end === high || y(end) > 11));
  const ticks = ends.map((end) =>
    `<text class="tick" x="40" y="${y(end) + 4}" text-anchor="end">${number(end, digits)}</text>` +
    `<path class="rule" d="M44 ${y(end)}H${x(about.horizon)}"/>`).join("");
  return ticks + series.map((values, side) => line(values, side, y, x)).reverse().join("");
}

function moneyRow(pair, i, x) {
  const series = pair.map((p) => {
    let sum = 0;
    return Array.from({ length: seenPeriods(p, i) }, (_, t) =>
      (sum += about.discount ** t * profit(p, i, t)));
  });
  const most = Math.max(...series.flat().map(Math.abs), 1);
  return { label: `profit so far (discounted, ${about.currency})`, height: 100,
    drawing: scaled(series, x, 100, 0, 1, most < 10 ? 1 : 0) };
}

function hiddenRow(pair, i, x, name) {
  const series = pair.map((p) => Array.from({ length: seenPeriods(p, i) }, (_, t) => t)
    .filter((t) => alive(p, i, t)).map((t) => at(`${p}.hidden.${name}`, i, t)));
  const top = name === "loyalty" ? 1 : name === "fatigue" ? 0.5 : 0.1;
  return { label: SHOWN[name], height: 46, drawing: scaled(series, x, 46, 0, top, 1) };
}

function deedRow(p, side, i, x) {
  const end = seenPeriods(p, i), middle = (t) => x(t + 0.5).toFixed(1);
  let drawing = `<path class="rule" d="M44 30H${x(about.horizon)}"/>`;
  for (let t = 0; t < end; t++) {
    if (action(p, i, t) > 0) drawing += `<path class="side${side}" d="M${middle(t)} 20v9"/>`;
    if (event(p, i, t, "purchases") > 0)
      drawing += `<circle class="fill${side}" cx="${middle(t)}" cy="9" r="3.6"/>`;
    if (event(p, i, t, "opted_out") > 0 || event(p, i, t, "complained") > 0)
      drawing += `<text class="bad" x="${middle(t)}" y="39" text-anchor="middle">\u00d7</text>`;
  }
  const gone = at(`${p}.lifetime`, i);
  if (gone < about.horizon)
    drawing += `<path class="gone" d="M${x(gone)} 0V32"/>` +
      `<text class="bad" x="${x(gone) + (gone > about.horizon * 0.8 ? -4 : 4)}" y="39" ` +
      `text-anchor="${gone > about.horizon * 0.8 ? "end" : "start"}">left</text>`;
  return { label: `${about.policies[p].name}: \u25cf purchase, | action, \u00d7 opt-out or complaint`,
    height: 38, drawing };
}
