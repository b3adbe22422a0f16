"use strict";
(() => {
  const { data, themed, draw } = page;
  const find = (id) => document.getElementById(id);
  const places = new Map(data.numbers.map((number, place) => [number, place]));
  const views = ["train", "validation", "validation_plain"];
  const shown = [true, true, true];
  const overlayStyles = data.overlay;
  const listed = 500;
  let current = null;

  // What the reader chose, kept over a reload. Storage may be closed to local files.
  const kept = { filter: "", varying: false, sort: null, trial: null, overlay: [], reload: false };
  const store = "study-page:" + location.pathname;
  try {
    Object.assign(kept, JSON.parse(sessionStorage.getItem(store)));
  } catch { /* start afresh */ }
  const keep = (changes) => {
    Object.assign(kept, changes);
    try {
      sessionStorage.setItem(store, JSON.stringify(kept));
    } catch { /* only for this visit, then */ }
  };
  const overlay = new Map(kept.overlay.filter((number) => places.has(number)).slice(0, overlayStyles.length)
    .map((number, place) => [number, place]));

  // The curves of a trial: figures made in Python, filled here.
  const epochsOf = (curves) => typeof curves.epochs === "number"
    ? Array.from({ length: curves.epochs }, (_, place) => place + 1) : curves.epochs;
  const valuesOf = (curves, column, scale) =>
    (curves[column] ?? []).map((value) => (value === null ? null : value / scale));

  function curveFigure(number, score) {
    const curves = data.curves[places.get(number)];
    const figure = themed(data.curve);
    const scale = score === "loss" ? 1 : 1000;
    let values = 0;
    views.forEach((view, index) => {
      const line = figure.data[index];
      line.y = valuesOf(curves, `${view}_${score}`, scale);
      line.x = epochsOf(curves);
      values += line.y.length;
      line.visible = shown[index];
      line.mode = line.y.length === 1 ? "markers" : "lines";
    });
    for (const [other, place] of overlay) {
      if (other === number) continue;
      const found = data.curves[places.get(other)];
      const [color, dash] = overlayStyles[place];
      const y = valuesOf(found, `validation_${score}`, scale);
      values += y.length;
      figure.data.push({
        x: epochsOf(found), y, mode: y.length === 1 ? "markers" : "lines", name: `trial ${other}, validation`,
        line: { color: themed(color), dash, width: 1.5 }, hovertemplate: "%{y:.3f}",
      });
    }
    const best = figure.layout.shapes[0];
    best.visible = curves.best !== null && values > 0;
    best.x0 = best.x1 = curves.best;
    if (score === "loss") Object.assign(figure.layout.yaxis, themed(data.loss_axis));
    if (score === "loss") {
      const all = figure.data.flatMap((line) => line.y ?? []).filter((value) => value !== null);
      const [least, most] = all.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
      figure.layout.yaxis.rangemode = least < 0.5 * most ? "tozero" : "normal";
      delete figure.layout.yaxis.range;
      delete figure.layout.yaxis.dtick;
    }
    if (values === 0) {
      figure.layout.xaxis.range = [0, 10];
      figure.layout.yaxis.range = [0, 1.02];
      figure.layout.annotations = [{
        text: "not recorded", showarrow: false, x: 0.5, y: 0.5, xref: "paper", yref: "paper",
      }];
    }
    return figure;
  }

  // Any figure: the trace called "selected" goes to the point of the trial that is chosen.
  function selection(figure) {
    const last = figure.data.at(-1);
    if (!last || last.name !== "selected" || current === null) return figure;
    for (const trace of figure.data) {
      const at = Array.isArray(trace.customdata) ? trace.customdata.indexOf(current) : -1;
      if (at < 0) continue;
      const whisker = trace.error_y?.array?.[at] ?? 0;
      last.x = [trace.x[at]];
      last.y = [trace.y[at] + whisker + (last.meta ?? 0)];
      return figure;
    }
    last.x = last.y = [null];
    return figure;
  }

  const drawn = new Set();
  function drawFigure(target) {
    draw(target, selection(themed(data.figures[target.dataset.figure])));
    if (drawn.has(target)) return;
    drawn.add(target);
    target.on("plotly_click", (event) => {
      const found = event.points.map((point) => [point.customdata].flat()[0]).find((n) => places.has(n));
      if (found !== undefined) location.hash = `trial-${found}`;
    });
  }

  function drawCurve(target) {
    const title = target.parentElement.querySelector("figcaption").textContent;
    target.setAttribute("aria-label", `${title} by epoch, trial ${current}`);
    draw(target, curveFigure(current, target.dataset.score));
  }

  function redraw() {
    for (const target of document.querySelectorAll(".chart")) {
      if (!tabs.isOpen(target)) continue;
      if (target.dataset.figure) drawFigure(target);
      else if (current !== null) drawCurve(target);
    }
  }

  // The facts of a trial.
  function fillFacts(list, rows) {
    list.replaceChildren(...rows.map(([name, value, searched]) => {
      const row = document.createElement("div");
      if (searched === false) row.className = "fixed";
      row.append(document.createElement("dt"), document.createElement("dd"));
      row.firstChild.textContent = name;
      row.lastChild.textContent = value;
      return row;
    }));
  }

  function fillList(list, sentences) {
    list.replaceChildren(...sentences.map((sentence) => {
      const item = document.createElement("li");
      item.textContent = sentence;
      return item;
    }));
  }

  const written = (value, score) => value === null || value === undefined ? "\u2014"
    : (score === "loss" ? value : value / 1000).toFixed(3);

  function fillScores(place) {
    find("trial-scores").replaceChildren(...Object.entries(data.labels).map(([score, label]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = label;
      row.append(head, ...views.map((view) => {
        const cell = document.createElement("td");
        cell.className = "n";
        cell.textContent = written(data.scores[`${view}_${score}`][place], score);
        return cell;
      }));
      return row;
    }));
  }

  const column = (key) => data.columns.find((item) => item.key === key);
  const option = (place) => {
    const number = data.numbers[place];
    const state = column("state").text[place];
    const score = column("validation_f_med").text[place];
    const said = [`Trial ${number}`, `F_med ${score}`, ...(data.roles[number] ?? [])];
    return new Option([...said, ...(state === "complete" ? [] : [state])].join(", "), number);
  };

  function select(number) {
    const place = places.get(number);
    if (place === undefined) return;
    current = number;
    keep({ trial: number });
    const choice = find("choice");
    if (![...choice.options].some((item) => item.value === String(number))) choice.append(option(place));
    choice.value = String(number);
    // Not "disabled", which would take the focus from whoever presses it.
    find("previous").setAttribute("aria-disabled", place === 0);
    find("next").setAttribute("aria-disabled", place === data.numbers.length - 1);
    find("trial-title").textContent = `Trial ${number}`;
    find("trial-words").textContent = data.words[place];
    find("trial-shows").textContent = sentence(place);
    fillList(find("trial-notes"), data.notes[number] ?? []);
    const kind = column("diagnosis").text[place];
    find("diagnosis-title").textContent =
      kind === "\u2014" ? "No diagnosis" : kind[0].toUpperCase() + kind.slice(1);
    find("diagnosis-numbers").textContent = data.diagnosis[place];
    fillList(find("diagnosis-advice"), data.advice[place].map((at) => data.sentences[at]));
    const facts = (of) => data.columns.filter((item) => of(item.group))
      .map((item) => [item.label, item.text[place], item.group !== "Hyperparameters" || data.searched.includes(item.key)]);
    fillFacts(find("trial-variant"), facts((group) => group === "Hyperparameters"));
    fillFacts(find("trial-facts"), facts((group) => group !== "Hyperparameters"));
    fillScores(place);
    table.choose(number);
    showOverlay();
    redraw();
  }

  function sentence(place) {
    const text = (key) => column(key).text[place];
    const none = "\u2014";
    const name = [`Trial ${data.numbers[place]}`, ...(data.roles[data.numbers[place]] ?? [])].join(", ");
    if (text("validation_f_med") === none) return `${name}: ${text("state")}, without a score.`;
    if (text("train_f_med") === none) {
      return `${name}: ${text("state")}, validation F_med ${text("validation_f_med")} at its best so far.`;
    }
    const kind = text("diagnosis") === none ? "" : `; ${text("diagnosis")}`;
    return `${name}: at its best in epoch ${text("best_epoch")} of ${text("epochs")}, with validation F_med ` +
      `${text("validation_f_med")} and training F_med ${text("train_f_med")}, a gap of ${text("gap")}${kind}.`;
  }

  // An address may name a trial that another study has, or that came after this page was written.
  function missing(number) {
    if (number === null || current === null) return;
    const none = places.has(number) ? "" : `There is no trial ${number} on this page. `;
    find("trial-shows").textContent = none + sentence(places.get(current));
  }

  // At once: who presses quickly would be ahead of the address.
  const open = (number) => { location.hash = `trial-${number}`; select(number); };
  function step(by) {
    if (current === null) return;
    const next = data.numbers[places.get(current) + by];
    if (next !== undefined) open(next);
  }

  // Overlay: the validation lines of other trials in the charts of this one.
  function setOverlay(number, on) {
    const taken = new Set(overlay.values());
    const free = overlayStyles.findIndex((_, place) => !taken.has(place));
    if (on && !overlay.has(number) && free >= 0) overlay.set(number, free);
    if (!on) overlay.delete(number);
    keep({ overlay: [...overlay.keys()] });
    table.mark([...overlay.keys()], overlay.size >= overlayStyles.length);
    showOverlay();
    redraw();
  }

  function showOverlay() {
    const isOn = overlay.has(current);
    find("overlay").setAttribute("aria-pressed", isOn);
    find("overlay").textContent = isOn ? "Remove from overlay" : "Keep as overlay";
    find("overlay").disabled = !isOn && overlay.size >= overlayStyles.length;
    find("overlaid").replaceChildren(...[...overlay].map(([number, place]) => {
      const chip = document.createElement("span");
      const swatch = document.createElement("i");
      const go = document.createElement("a");
      const drop = document.createElement("button");
      const [color, dash] = overlayStyles[place];
      swatch.style.borderColor = themed(color);
      swatch.style.borderTopStyle = { solid: "solid", dot: "dotted", dash: "dashed", dashdot: "dashed" }[dash];
      go.href = `#trial-${number}`;
      go.textContent = `trial ${number}`;
      drop.type = "button";
      drop.textContent = "\u00d7";
      drop.setAttribute("aria-label", `Remove trial ${number} from the overlay`);
      drop.addEventListener("click", () => setOverlay(number, false));
      chip.append(swatch, go, drop);
      return chip;
    }));
  }

  // Wiring.
  const table = trialTable(data, { keep, kept, onOverlay: setOverlay, overlaid: () => [...overlay.keys()], most: overlayStyles.length });
  find("choice").append(...data.numbers.slice(0, listed).map((_, place) => option(place)));
  find("choice").addEventListener("change", (event) => open(Number(event.target.value)));
  find("previous").addEventListener("click", () => step(-1));
  find("next").addEventListener("click", () => step(1));
  find("overlay").addEventListener("click", () => setOverlay(current, !overlay.has(current)));
  for (const button of document.querySelectorAll("[data-line]")) {
    button.addEventListener("click", () => {
      shown[button.dataset.line] = !shown[button.dataset.line];
      button.setAttribute("aria-pressed", shown[button.dataset.line]);
      redraw();
    });
  }

  page.onTheme(() => { showOverlay(); redraw(); });
  addEventListener("hashchange", () => {
    const number = tabs.follow();
    if (number !== null && number !== current) select(number);
    missing(number);
  });

  if (data.running) {
    const box = find("auto-reload");
    let timer = null;
    const plan = () => {
      clearTimeout(timer);
      if (box.checked) timer = setTimeout(() => location.reload(), 60000);
      keep({ reload: box.checked });
    };
    box.checked = kept.reload;
    box.addEventListener("change", plan);
    find("reload").addEventListener("click", () => location.reload());
    plan();
  }

  // The first picture.
  const named = tabs.follow();
  const first = [named, kept.trial, data.numbers[0]].find((number) => places.has(number));
  document.body.classList.toggle("no-trials", first === undefined);
  if (first === undefined) redraw();
  else select(first);
  missing(named);
  tabs.onShow(redraw);
})();
