"use strict";
(() => {
  const $ = (selector, root) => (root || document).querySelector(selector);
  const all = (selector, root) => [...(root || document).querySelectorAll(selector)];
  const data = JSON.parse($("#data").textContent);
  const tip = $("#tip");

  // expand gives a series its values and the numbers of their runs.
  function expand(s) {
    if (s.at) return s;
    if (s.r) {
      s.v = [];
      for (let i = 0; i < s.r.length; i += 2) s.v.push(...Array(s.r[i + 1]).fill(s.r[i]));
    }
    s.at = s.p || s.v.map((_, i) => (s.o || 0) + i);
    return s;
  }

  function number(v, exact) {
    if (exact) return v.toLocaleString("en-US", {maximumFractionDigits: 6});
    return v.toLocaleString("en-US", {maximumSignificantDigits: 5});
  }

  // words say what a point of a series is.
  function words(s, i) {
    const [day, commit, subject, file] = data.runs[s.at[i]];
    let text = number(s.v[i], s.x) + " " + s.u;
    if (s.l && s.l[i] < s.h[i]) text += " (" + number(s.l[i]) + " to " + number(s.h[i]) + ")";
    text += " · " + (commit || file) + " · " + day;
    if (subject) text += " · " + subject;
    for (const [at, , what] of s.c || []) if (at === i) text += " · " + what;
    return text;
  }

  // nearest is the point of a series at a part of the width of a chart.
  function nearest(s, part) {
    const x = part * Math.max(data.runs.length - 1, 1);
    let best = 0;
    s.at.forEach((at, i) => { if (Math.abs(at - x) < Math.abs(s.at[best] - x)) best = i; });
    return best;
  }

  function show(text, x, y) {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 12, innerWidth - box.width - 8)) + "px";
    tip.style.top = (y + 16 + box.height > innerHeight ? y - box.height - 12 : y + 16) + "px";
  }

  const seriesOf = row => expand(data.series[+row.id.slice(1)]);

  document.addEventListener("pointermove", e => {
    const svg = e.target.closest && e.target.closest("svg.spark");
    if (!svg) { tip.hidden = true; return; }
    const s = seriesOf(svg.closest("tr")), box = svg.getBoundingClientRect(), edge = 5 / 160;
    const part = ((e.clientX - box.left) / box.width - edge) / (1 - 2 * edge);
    show(words(s, nearest(s, part)), e.clientX, e.clientY);
  });
  addEventListener("scroll", () => { tip.hidden = true; }, {passive: true});

  function element(name, attributes, parent) {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (parent) parent.append(e);
    return e;
  }

  // ticks are about four round numbers.
  function ticks(low, high) {
    const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(m => m * power).find(m => m >= rough);
    const list = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) list.push(i * step);
    return list;
  }

  // draw draws the chart of a series and returns where its points are.
  function draw(svg, s) {
    svg.replaceChildren();
    const width = svg.clientWidth, height = svg.clientHeight, right = 8, top = 10, bottom = 24;
    let low = Math.min(...(s.l || []), ...s.v), high = Math.max(...(s.h || []), ...s.v);
    const half = Math.max((high - low) / 2, Math.abs(high + low) / 100) || 1, middle = (high + low) / 2;
    low = middle - 1.15 * half;
    high = middle + 1.15 * half;
    const marks = ticks(low, high), labels = marks.map(v => number(+v.toPrecision(12), true));
    const left = 10 + 7 * Math.max(...labels.map(l => l.length));
    const x = i => left + 6 + (width - left - right - 12) * s.at[i] / Math.max(data.runs.length - 1, 1);
    const y = v => top + (height - top - bottom) * (high - v) / (high - low);
    marks.forEach((v, i) => {
      element("line", {class: "axis", x1: left, x2: width - right, y1: y(v), y2: y(v)}, svg);
      element("text", {x: left - 6, y: y(v) + 4, "text-anchor": "end"}, svg).textContent = labels[i];
    });
    if (s.l) {
      const up = s.h.map((v, i) => x(i) + " " + y(v)), down = s.l.map((v, i) => x(i) + " " + y(v)).reverse();
      element("path", {class: "band", d: "M" + up.concat(down).join("L") + "z"}, svg);
    }
    element("path", {class: "line", d: "M" + s.v.map((v, i) => x(i) + " " + y(v)).join("L")}, svg);
    s.v.forEach((v, i) => element("circle", {cx: x(i), cy: y(v), r: 2}, svg));
    for (const [i, kind] of s.c || []) {
      element("line", {class: "at", x1: x(i), x2: x(i), y1: top, y2: height - bottom}, svg);
      const d = {worse: "l6 10h-12z", better: "l6 -10h-12z"}[kind] || "m-4 -4h8v8h-8z";
      element("path", {class: kind, d: "M" + x(i) + " " + (y(s.v[i]) + ({worse: -6, better: 6}[kind] || 0)) + d}, svg);
    }
    const days = [0, s.v.length - 1];
    if (s.v.length === 1) days.pop();
    days.forEach((i, n) => {
      element("text", {x: x(i), y: height - 6, "text-anchor": n ? "end" : "start"}, svg).textContent = data.runs[s.at[i]][0];
    });
    const cursor = element("line", {class: "at", y1: top, y2: height - bottom, visibility: "hidden"}, svg);
    return {left: left + 6, width: width - left - right - 12, select(i) {
      cursor.setAttribute("x1", x(i));
      cursor.setAttribute("x2", x(i));
      cursor.setAttribute("visibility", "visible");
    }};
  }

  // open adds a row with the chart of a series below its own.
  function open(row, button) {
    const s = seriesOf(row), below = document.createElement("tr"), cell = document.createElement("td");
    const svg = element("svg", {class: "chart", tabindex: 0, role: "group", "aria-label": "Chart of " + s.n + ", " + s.u + ". Left and right go from run to run."});
    const reading = document.createElement("p");
    reading.className = "reading";
    reading.setAttribute("aria-live", "polite");
    cell.colSpan = 5;
    cell.className = "chartcell";
    cell.append(svg, reading);
    below.append(cell);
    below.className = "chartrow";
    row.after(below);
    let drawn = draw(svg, s), at = s.v.length - 1;
    const select = i => {
      at = Math.max(0, Math.min(s.v.length - 1, i));
      drawn.select(at);
      reading.textContent = words(s, at);
    };
    select(at);
    svg.addEventListener("pointermove", e => select(nearest(s, (e.clientX - svg.getBoundingClientRect().left - drawn.left) / drawn.width)));
    svg.addEventListener("keydown", e => {
      const to = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: s.v.length - 1}[e.key];
      if (to !== undefined) { select(to); e.preventDefault(); }
    });
    below.redraw = () => { drawn = draw(svg, s); drawn.select(at); };
    button.setAttribute("aria-expanded", "true");
  }

  function toggle(button) {
    const row = button.closest("tr"), next = row.nextElementSibling;
    if (next && next.className === "chartrow") {
      next.remove();
      button.setAttribute("aria-expanded", "false");
    } else {
      open(row, button);
    }
  }

  const rows = all("table.series tr[id]");
  for (const row of rows) {
    const name = $(".name", row), button = document.createElement("button");
    button.type = "button";
    button.className = "row";
    button.setAttribute("aria-expanded", "false");
    button.append(...name.childNodes);
    name.append(button);
    const s = data.series[+row.id.slice(1)];
    row.text = (s.n + " " + s.u + " " + s.k).toLowerCase();
  }
  document.addEventListener("click", e => {
    const button = e.target.closest("button.row");
    if (button) toggle(button);
  });
  addEventListener("resize", () => all(".chartrow").forEach(r => r.redraw()));

  // A link to a series unfolds what it is in.
  function unfold() {
    const row = location.hash.match(/^#s\d+$/) && $(location.hash);
    if (!row) return;
    if (row.hidden) { $("#filter").value = ""; $("#changed").checked = false; all("input.kernel").forEach(k => { k.checked = true; }); filter(); }
    row.closest("details").open = true;
    row.scrollIntoView({block: "center"});
    const button = $("button.row", row);
    if (button.getAttribute("aria-expanded") === "false") toggle(button);
  }
  addEventListener("hashchange", unfold);

  function filter() {
    const wanted = $("#filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const kernels = new Set(all("input.kernel").filter(k => k.checked).map(k => k.value));
    const changed = $("#changed").checked;
    let shown = 0;
    for (const row of rows) {
      row.hidden = !(kernels.has(row.dataset.k) && (!changed || row.dataset.c !== "0") && wanted.every(w => row.text.includes(w)));
      const next = row.nextElementSibling;
      if (next && next.className === "chartrow") next.hidden = row.hidden;
      if (!row.hidden) shown++;
    }
    for (const unit of all("details.unit")) {
      const own = all("tr[id]", unit), n = own.filter(r => !r.hidden).length;
      unit.hidden = n === 0;
      if (changed || wanted.length && shown <= 100) unit.open = true;
      $(".shown", unit).textContent = (n === own.length ? "" : n + " of ") + own.length + (own.length === 1 ? " row" : " rows");
    }
    $("#count").textContent = shown + " of " + rows.length + " series";
  }

  const controls = $("#controls");
  if (controls) {
    controls.hidden = false;
    controls.addEventListener("input", filter);
    controls.addEventListener("submit", e => e.preventDefault());
    filter();
    unfold();
  }

  // A file can be saved as it is.
  for (const file of all("details.file")) {
    const link = document.createElement("a"), name = $("summary code", file).textContent;
    link.textContent = "save";
    link.href = "#files";
    link.download = name.split("/").pop();
    link.addEventListener("click", () => {
      link.href = URL.createObjectURL(new Blob([$("pre", file).textContent], {type: "text/plain"}));
    });
    $("summary", file).append(" ", link);
  }
})();
