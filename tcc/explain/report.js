"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const COLUMNS = [
  ["source", "source"], ["trace", "traced graph"], ["passes", "after the passes"], ["loops", "loops"],
  ["mlir", "MLIR"], ["ll", "LLVM"], ["s", "assembly"],
];
const state = { f: data.functions[0], unit: null, step: 0, place: "", hidden: new Set(["mlir"]), picture: "graph" };

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(made.dataset, value);
    else if (name === "style") made.setAttribute("style", value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

function count(value) {
  for (const [unit, scale] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]])
    if (value >= scale) return `${(value / scale).toPrecision(3)} ${unit}`;
  return `${value}`;
}

function duration(seconds) {
  for (const [unit, scale] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6]])
    if (seconds >= scale) return `${(seconds / scale).toPrecision(3)} ${unit}`;
  return `${(seconds * 1e9).toPrecision(3)} ns`;
}

// --- choices ------------------------------------------------------------------------------------

function button(text, on, act) {
  return element("button", { textContent: text, className: on ? "on" : "", onclick: act });
}

function showFunctions() {
  byId("functions").replaceChildren(...data.functions.map((f) => button(f.name, f === state.f, () => choose(f))));
  const limits = data.limits;
  byId("about").textContent = `${state.f.described} · for ${data.target}` + (limits
    ? ` · this machine, one thread: ${count(limits.operations.f32)}FLOP/s in f32, ${count(limits.copy)}B/s in copying`
    : " · not run here");
  const sizes = Object.entries(state.f.sizes).map(([n, v]) => `${n} = ${v}`).join(", ");
  byId("sizes").textContent = `predicted from the loops${limits ? ", and measured" : ""}${sizes ? `, with ${sizes}` : ""}`;
}

function choose(f) {
  state.f = f;
  state.step = 0;
  state.place = "";
  state.unit = f.units[0];
  showFunctions();
  showPicture();
  showSteps();
  showTexts();
}

function showPicture() {
  byId("pictures").replaceChildren(...[["graph", "after the passes"], ["traced", "as traced"]].map(([name, text]) =>
    button(text, state.picture === name, () => { state.picture = name; showPicture(); mark(); })));
  const graph = byId("graph");
  graph.innerHTML = state.f[state.picture];
  graph.scrollLeft = (graph.scrollWidth - graph.clientWidth) / 2;
  for (const box of graph.querySelectorAll(".box"))
    box.onclick = () => {
      const kernel = box.dataset.kernels.split(" ")[0];
      if (kernel) pickKernel(kernel);
      if (box.dataset.place) pick(box.dataset.place);
    };
}

// --- steps and decisions ------------------------------------------------------------------------

function amount(figure, unit) {
  if (!figure) return element("td", { textContent: "–", title: "its loops have no closed form" });
  const cell = element("td", { title: figure.expression }, count(figure.value) + unit);
  if (!/^\d+$/.test(figure.expression)) cell.append(element("span", { className: "formula", textContent: figure.expression }));
  return cell;
}

function measuredCells(m, total) {
  if (!m) return [element("td", { textContent: "–" }), element("td"), element("td"), element("td")];
  const share = element("td", { title: `${m.limit}, ${(100 * m.share).toFixed(0)} %` });
  share.append(m.share < 1 ? `${(100 * m.share).toFixed(0)} % ${m.limit}` : "in cache");
  share.append(element("span", { className: "bar", style: `width:${Math.round(60 * Math.min(1, m.share))}px` }));
  return [
    element("td", { title: `${m.runs} runs a call` },
      duration(m.seconds) + (m.runs > 1 ? ` ×${m.runs}` : "") + (total ? ` · ${Math.round((100 * m.seconds * m.runs) / total)} %` : "")),
    element("td", { textContent: `${count(m.operations_per_second)}` }),
    element("td", { textContent: `${count(m.bytes_per_second)}B` }),
    share,
  ];
}

function showSteps() {
  const f = state.f;
  const total = f.steps.reduce((sum, s) => sum + (s.measured ? s.measured.seconds * s.measured.runs : 0), 0);
  const sum = (what) => f.steps.reduce((x, s) => x + (s[what]?.value ?? NaN) * (s.measured ? s.measured.runs : 1), 0);
  const heads = ["step", "operations", "moved", "least", "time", "ops/s", "bytes/s", "of the limit"];
  const titles = ["", "additions' worth; a fused multiply-add is two", "bytes that loads and stores name",
    "distinct bytes: what must be moved even with a perfect cache", "of one run", "", "by the least bytes", "the nearer of FMA peak and copying"];
  const rows = f.steps.map((s, k) => {
    const row = element("tr", { className: "step", data: { place: s.place }, onclick: () => pickStep(k) },
      element("td", {}, element("span", { className: "chip", style: `background:${s.colour}` }), s.name + (s.statement ? ` ${s.statement}` : "")),
      amount(s.operations, ""), amount(s.moved, "B"), amount(s.compulsory, "B"), ...measuredCells(s.measured, total));
    return row;
  });
  const whole = element("tr", { className: "whole" }, element("td", { textContent: "the call" }),
    element("td", { textContent: count(sum("operations")) }), element("td", { textContent: Number.isNaN(sum("moved")) ? "–" : `${count(sum("moved"))}B` }),
    element("td", { title: f.whole.compulsory.expression + " bytes for arguments, weights and results" },
      `${count(f.whole.compulsory.value)}B of ${count(sum("compulsory"))}B`), ...measuredCells(f.whole.measured, 0));
  byId("steps").replaceChildren(
    element("thead", {}, element("tr", {}, ...heads.map((h, k) => element("th", { textContent: h, title: titles[k] })))),
    element("tbody", {}, ...rows, whole));
  showDecisions();
}

function showDecisions() {
  const step = state.f.steps[state.step];
  const blocks = [];
  if (step) blocks.push([`Why ${step.name} is as it is`, step.decisions]);
  if (state.f.decisions.length) blocks.push([`The workspace, ${state.f.workspace} bytes`, state.f.decisions]);
  byId("decisions").replaceChildren(...blocks.flatMap(([title, decisions]) => [
    element("h3", { textContent: title }), ...decisions.map(decisionBlock)]));
  document.querySelectorAll("#steps tr.step").forEach((row, k) => row.classList.toggle("now", k === state.step));
}

function decisionBlock(d) {
  const text = element("div", {}, element("div", { className: "subject" }, d.subject));
  if (d.place) text.firstChild.append(element("span", { className: "place", textContent: d.place, onclick: () => pick(d.place) }));
  text.append(element("div", {}, d.choice), element("div", { className: "why", textContent: d.reason }));
  if (d.alternatives.length) {
    const least = Math.min(...d.alternatives.map((a) => a[1]));
    const most = Math.max(...d.alternatives.map((a) => a[1]), 1e-9);
    const costs = element("div", { className: "costs", title: d.unit });
    for (const [name, cost] of [...d.alternatives].sort((a, b) => a[1] - b[1])) {
      const best = cost === least ? "least" : "";
      costs.append(element("span", { className: best, textContent: name }),
        element("span", { className: best, textContent: Number(cost.toPrecision(4)) }),
        element("i", { className: best, style: `width:${Math.max(2, (120 * cost) / most)}px` }));
    }
    text.append(costs);
  }
  return element("div", { className: "decision" }, element("span", { className: "kind", textContent: d.kind }), text);
}

// --- texts --------------------------------------------------------------------------------------

function linesOf(name) {
  if (name === "source")
    return Object.entries(data.sources).flatMap(([file, lines], k, all) => [
      ...(all.length > 1 ? [[`${k ? "\n" : ""}${file}`, "", "file"]] : []),
      ...lines.map((text, number) => [text, `${file}:${number + 1}`, "", number + 1])]);
  if (name === "trace" || name === "passes") return state.f[name];
  return state.unit[name] || [];
}

function showTexts() {
  byId("columns").replaceChildren(...COLUMNS.slice(1).map(([name, text]) => button(text, !state.hidden.has(name), () => {
    state.hidden.has(name) ? state.hidden.delete(name) : state.hidden.add(name);
    showTexts();
  })));
  const used = new Set([...linesOf("trace"), ...linesOf("passes"), ...state.f.units.flatMap((u) => u.loops)].map((l) => l[1]));
  byId("texts").replaceChildren(...COLUMNS.filter(([name]) => !state.hidden.has(name)).map(([name, title]) => {
    const rows = linesOf(name).map(([text, place, kind, number]) => {
      const row = element("div", { className: kind || "" });
      if (number) row.append(element("span", { className: "n", textContent: number }));
      row.append(text);
      if (place && (name !== "source" || used.has(place))) {
        row.dataset.place = place;
        row.onclick = () => pick(place);
      } else if (name === "source" && !kind) row.classList.add("dead");
      return row;
    });
    const kernel = ["loops", "mlir", "ll", "s"].includes(name) ? element("small", { textContent: state.unit.name }) : "";
    return element("div", { className: `column ${name}` }, element("h3", {}, title, kernel), element("pre", {}, ...rows));
  }));
  mark();
}

function pick(place) {
  state.place = place;
  const within = (unit) => unit.loops.some((l) => l[1] === place);
  if (!within(state.unit)) {
    const other = state.f.units.find(within);
    if (other) pickKernel(other.name);
  }
  mark(true);
}

function pickKernel(name) {
  const unit = state.f.units.find((u) => u.name === name);
  if (unit && unit !== state.unit) {
    state.unit = unit;
    showTexts();
  }
  const step = state.f.steps.findIndex((s) => s.name === name);
  if (step >= 0 && state.f.steps[state.step].name !== name) {
    state.step = step;
    showDecisions();
  }
}

function pickStep(number) {
  state.step = number;
  const step = state.f.steps[number];
  state.unit = state.f.units.find((u) => u.name === step.name) || state.f.units[state.f.units.length - 1];
  state.place = step.place;
  showDecisions();
  showTexts();
  mark(true);
}

function mark(scroll = false) {
  for (const item of document.querySelectorAll("[data-place]"))
    item.classList.toggle("lit", state.place !== "" && item.dataset.place === state.place);
  if (!scroll) return;
  for (const pre of document.querySelectorAll("pre")) {
    const first = pre.querySelector(".lit");
    if (first) pre.scrollTop = first.offsetTop - pre.offsetTop - pre.clientHeight / 4;
  }
  const graph = byId("graph"), box = graph.querySelector(".lit");
  if (box) {
    const [inner, outer] = [box.getBoundingClientRect(), graph.getBoundingClientRect()];
    graph.scrollTop += inner.top - outer.top - graph.clientHeight / 3;
    graph.scrollLeft += inner.left - outer.left - graph.clientWidth / 3;
  }
}

document.addEventListener("mouseover", (event) => {
  const place = event.target.closest?.("pre div[data-place]")?.dataset.place;
  for (const row of document.querySelectorAll("pre div[data-place]")) row.classList.toggle("near", row.dataset.place === place);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { state.place = ""; mark(); }
});
// The page may be opened at a line, or a step: report.html#model.py:12
choose(state.f);
if (location.hash) pick(decodeURIComponent(location.hash.slice(1)));
