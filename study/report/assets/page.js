"use strict";
(() => {
  const { data, themed, draw } = page;
  const trials = new Map(data.trials.map((trial) => [trial.number, trial]));
  const find = (id) => document.getElementById(id);
  const views = ["train", "validation", "validation_plain"];
  const shown = [true, true, true];
  const charts = [...document.querySelectorAll(".chart[data-score]")];
  let current = null;

  // What the reader chose, kept over a reload. Storage may be closed to local files.
  const kept = { filter: "", varying: false, sort: null, trial: null, reload: false };
  const place = "study-page:" + location.pathname;
  try {
    Object.assign(kept, JSON.parse(sessionStorage.getItem(place)));
  } catch { /* start afresh */ }
  const keep = (changes) => {
    Object.assign(kept, changes);
    try {
      sessionStorage.setItem(place, JSON.stringify(kept));
    } catch { /* only for this visit, then */ }
  };

  // Figures: made in Python, filled here.
  function curveFigure(trial, score) {
    const figure = themed(data.figures.curve);
    const scale = score === "loss" ? 1 : 1000;
    let values = 0;
    views.forEach((view, index) => {
      const found = trial.curves[`${view}_${score}`] || [];
      values += found.length;
      const line = figure.data[index];
      line.x = trial.epochs;
      line.y = found.map((value) => (value === null ? null : value / scale));
      line.visible = shown[index];
      line.mode = found.length === 1 ? "markers" : "lines";
    });
    const best = figure.layout.shapes[0];
    best.visible = trial.best_epoch !== null && values > 0;
    best.x0 = best.x1 = trial.best_epoch;
    if (score === "loss") Object.assign(figure.layout.yaxis, themed(data.loss_axis));
    if (score === "loss") delete figure.layout.yaxis.range, delete figure.layout.yaxis.dtick;
    if (values === 0) {
      figure.layout.xaxis.range = [0, 10];
      figure.layout.yaxis.range = [0, 1.02];
      figure.layout.annotations = [{
        text: "not recorded", showarrow: false, x: 0.5, y: 0.5, xref: "paper", yref: "paper",
      }];
    }
    return figure;
  }

  function drawCurves() {
    for (const chart of charts) {
      const title = chart.parentElement.querySelector("figcaption").textContent;
      chart.setAttribute("aria-label", `${title} by epoch, trial ${current.number}`);
      draw(chart, curveFigure(current, chart.dataset.score));
    }
  }

  function marked(figure, mark) {
    const last = figure.data.at(-1);
    last.x = mark ? [mark.x] : [null];
    last.y = mark ? [mark.y] : [null];
    return figure;
  }

  function drawOverview() {
    const ranking = themed(data.figures.ranking);
    const plain = ranking.data.at(-2);
    const at = current ? plain.x.indexOf(String(current.number)) : -1;
    const top = at < 0 ? 0 : Math.max(current.score, plain.y[at] || 0);
    draw(find("ranking-chart"), marked(ranking, at < 0 ? null : { x: plain.x[at], y: top + 0.05 }));
    const capacity = themed(data.figures.capacity);
    const held = current && capacity.data.some((t) => (t.customdata || []).includes(current.number));
    const mark = held ? { x: current.parameters, y: current.score } : null;
    draw(find("capacity-chart"), marked(capacity, mark));
  }

  function redraw() {
    drawOverview();
    if (current) drawCurves();
  }

  // A trial.
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

  function fillTable(body, rows) {
    body.replaceChildren(...rows.map(([name, ...values]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      row.append(head, ...values.map((value) => {
        const cell = document.createElement("td");
        cell.className = "n";
        cell.textContent = value;
        return cell;
      }));
      return row;
    }));
  }

  function select(number) {
    const trial = trials.get(number);
    if (!trial) return;
    current = trial;
    keep({ trial: number });
    find("choice").value = String(number);
    const index = data.trials.indexOf(trial);
    find("previous").disabled = index === 0;
    find("next").disabled = index === data.trials.length - 1;
    find("trial-title").textContent = `Trial ${number}`;
    find("trial-words").textContent = trial.words;
    fillList(find("trial-notes"), trial.notes);
    find("diagnosis-title").textContent = trial.diagnosis.title;
    find("diagnosis-numbers").textContent = trial.diagnosis.numbers;
    fillList(find("diagnosis-advice"), trial.diagnosis.advice);
    fillFacts(find("trial-hyperparameters"), trial.hyperparameters);
    fillTable(find("trial-scores"), trial.scores);
    fillFacts(find("trial-facts"), trial.facts);
    find("selected").textContent = `Curves of trial ${number}`;
    for (const row of table.tBodies[0].rows) {
      if (Number(row.dataset.trial) === number) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    redraw();
  }

  function step(by) {
    const next = data.trials[data.trials.indexOf(current) + by];
    if (next) select(next.number);
  }

  // The table.
  const table = find("trials-table");
  const headings = [...table.querySelectorAll("th[data-key]")];
  const keys = headings.map((heading) => heading.dataset.key);
  const amount = (cell) => {
    const text = cell.dataset.v ?? cell.textContent.replaceAll(",", "");
    return text.trim() === "" ? NaN : Number(text);
  };

  function sort(index, direction) {
    const isNumber = headings[index].dataset.kind === "number";
    const sign = direction === "descending" ? -1 : 1;
    const compare = (one, other) => {
      const [a, b] = [one.cells[index], other.cells[index]];
      if (isNumber) {
        const [x, y] = [amount(a), amount(b)];
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
        return sign * (x - y);
      }
      const [s, t] = [a.textContent, b.textContent];
      const [none, neither] = [s === "\u2014", t === "\u2014"];
      if (none || neither) return none - neither;
      return sign * s.localeCompare(t, "en", { numeric: true });
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    headings.forEach((heading, at) => heading.setAttribute("aria-sort", at === index ? direction : "none"));
    keep({ sort: [keys[index], direction] });
  }

  function matcher(term) {
    const found = /^([a-z0-9_]+)(<=|>=|=|<|>)(.+)$/.exec(term);
    const index = found ? keys.indexOf(found[1]) : -1;
    if (index < 0) return (row) => row.textContent.toLowerCase().includes(term);
    const [, , operator, wanted] = found;
    const limit = Number(wanted);
    return (row) => {
      const cell = row.cells[index];
      const text = cell.textContent.toLowerCase();
      if (operator === "=") {
        const isNumber = headings[index].dataset.kind === "number";
        return isNumber ? text === wanted || amount(cell) === limit : text.includes(wanted);
      }
      const value = amount(cell);
      return { "<": value < limit, ">": value > limit, "<=": value <= limit, ">=": value >= limit }[operator];
    };
  }

  function filter() {
    const terms = find("filter").value.toLowerCase().split(/\s+/).filter(Boolean).map(matcher);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) row.hidden = !terms.every((matches) => matches(row));
    const left = rows.filter((row) => !row.hidden).length;
    find("shown").textContent = `${left} of ${rows.length} shown`;
    keep({ filter: find("filter").value });
  }

  function hideConstant() {
    const only = find("varying").checked;
    table.classList.toggle("varying", only);
    for (const cell of table.querySelectorAll("th[data-all]")) {
      cell.colSpan = Math.max(1, only ? cell.dataset.varying : cell.dataset.all);
    }
    keep({ varying: only });
  }

  // Wiring.
  headings.forEach((heading, index) => heading.firstChild.addEventListener("click", () => {
    sort(index, heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");
  }));
  find("filter").addEventListener("input", filter);
  find("varying").addEventListener("change", hideConstant);
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-trial]");
    if (!chosen) return;
    select(Number(chosen.dataset.trial));
    if (event.target.closest("a")) find("choice").focus({ preventScroll: true });
  });
  find("choice").append(...data.trials.map((trial) => new Option(trial.option, trial.number)));
  find("choice").addEventListener("change", (event) => select(Number(event.target.value)));
  find("previous").addEventListener("click", () => step(-1));
  find("next").addEventListener("click", () => step(1));
  for (const button of document.querySelectorAll("[data-line]")) {
    button.addEventListener("click", () => {
      shown[button.dataset.line] = !shown[button.dataset.line];
      button.setAttribute("aria-pressed", shown[button.dataset.line]);
      if (current) drawCurves();
    });
  }

  page.onTheme(redraw);

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
  find("filter").value = kept.filter;
  find("varying").checked = kept.varying;
  filter();
  hideConstant();
  if (kept.sort && keys.includes(kept.sort[0])) sort(keys.indexOf(kept.sort[0]), kept.sort[1]);
  const linked = Number(/^#trial-(\d+)$/.exec(location.hash)?.[1] ?? NaN);
  const first = [linked, kept.trial, data.trials[0]?.number].find((number) => trials.has(number));
  if (first === undefined) {
    find("choice").disabled = find("previous").disabled = find("next").disabled = true;
    redraw();
  } else {
    select(first);
    if (first === linked) find("trial").scrollIntoView();
  }
  for (const id of ["ranking-chart", "capacity-chart"]) {
    find(id).on("plotly_click", (event) => {
      const point = event.points[0];
      const number = Number(id === "ranking-chart" ? point.x : point.customdata);
      if (trials.has(number)) select(number);
    });
  }
})();
