"use strict";
// The table of trials: sorted and filtered as columns of values, drawn a hundred rows at a time.
const trialTable = (data, { keep, kept, onOverlay, overlaid, most }) => {
  const find = (id) => document.getElementById(id);
  const table = find("trials-table");
  const body = table.tBodies[0];
  const headings = [...table.querySelectorAll("th[data-key]")];
  const keys = data.columns.map((column) => column.key);
  const numbers = data.columns.map((column) => {
    if (!column.numeric) return null;
    return column.raw ?? column.text.map((text) => {
      const plain = text.replaceAll(",", "");
      return plain === "\u2014" || plain === "" ? null : Number(plain);
    });
  });
  const lower = data.columns.map((column) => column.text.map((text) => text.toLowerCase()));
  const kinds = { reference: "reference", "best of the search": "leader" };
  let order = data.numbers.map((_, row) => row);
  let visible = order;
  let limit = data.rows;
  let current = null;

  function line(row) {
    const number = data.numbers[row];
    const found = document.createElement("tr");
    found.dataset.trial = number;
    found.className = (data.roles[number] ?? []).map((role) => kinds[role] ?? "winner").join(" ");
    if (number === current) found.setAttribute("aria-current", "true");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = overlaid().includes(number);
    box.disabled = !box.checked && overlaid().length >= most;
    box.title = box.disabled ? `at most ${most} at a time` : "";
    box.setAttribute("aria-label", `Overlay trial ${number}`);
    box.addEventListener("change", () => onOverlay(number, box.checked));
    found.append(document.createElement("td"));
    found.firstChild.append(box);
    data.columns.forEach((column) => {
      const cell = document.createElement("td");
      cell.className = [column.numeric && "n", column.constant && "constant", column.screen && "screen"]
        .filter(Boolean).join(" ");
      if (column.key === "number") {
        const link = document.createElement("a");
        link.href = `#trial-${number}`;
        link.textContent = column.text[row];
        cell.append(link);
      } else cell.textContent = column.text[row];
      found.append(cell);
    });
    return found;
  }

  function render() {
    const shown = visible.slice(0, limit);
    body.replaceChildren(...shown.map(line));
    const left = visible.length - shown.length;
    const drawn = left > 0 ? `, the first ${shown.length.toLocaleString("en")} listed` : "";
    find("shown").textContent =
      `${visible.length.toLocaleString("en")} of ${order.length.toLocaleString("en")} shown${drawn}`;
    find("more").hidden = left <= 0;
    find("more").textContent = `Show ${Math.min(left, data.rows)} more`;
  }

  function sort(index, direction) {
    const sign = direction === "descending" ? -1 : 1;
    const values = numbers[index];
    const texts = lower[index];
    const compare = values
      ? (a, b) => {
        const [x, y] = [values[a], values[b]];
        if (x === null || y === null) return (x === null) - (y === null);
        return sign * (x - y);
      }
      : (a, b) => {
        const [none, neither] = [texts[a] === "\u2014", texts[b] === "\u2014"];
        if (none || neither) return none - neither;
        return sign * texts[a].localeCompare(texts[b], "en", { numeric: true });
      };
    order = [...order].sort(compare);
    headings.forEach((heading, at) => heading.setAttribute("aria-sort", at === index ? direction : "none"));
    keep({ sort: [keys[index], direction] });
    filter();
  }

  // A column goes by its key, by its heading, or by a name that many would try first.
  const names = new Map([["trial", "number"], ["f_med", "validation_f_med"], ["time", "seconds"]]);
  const named = (name) => {
    const plain = name.replace(/[ .]+/g, "_");
    const key = names.get(plain) ?? plain;
    const at = keys.indexOf(key);
    return at >= 0 ? at : data.columns.findIndex((column) => column.label.toLowerCase().replace(/[ .]+/g, "_") === plain);
  };

  function matcher(term) {
    const found = /^([^<>=]+)(<=|>=|=|<|>)(.+)$/.exec(term);
    if (!found) return (row) => lower.some((texts) => texts[row].includes(term));
    const [, name, operator, wanted] = found;
    const index = named(name);
    if (index < 0) return `no column called ${name}`;
    const bound = Number(wanted);
    const values = numbers[index];
    if (values && isNaN(bound) && operator !== "=") return `${wanted} is no number`;
    if (operator === "=") {
      if (!values) return (row) => lower[index][row].includes(wanted);
      return (row) => lower[index][row] === wanted || values[row] === bound;
    }
    const holds = { "<": (x) => x < bound, ">": (x) => x > bound, "<=": (x) => x <= bound, ">=": (x) => x >= bound }[operator];
    return (row) => values !== null && values[row] !== null && holds(values[row]);
  }

  function filter() {
    const text = find("filter").value.toLowerCase().replace(/\s*(<=|>=|=|<|>)\s*/g, "$1");
    const terms = text.split(/\s+/).filter(Boolean).map(matcher);
    const wrong = terms.filter((term) => typeof term === "string");
    visible = order.filter((row) => !wrong.length && terms.every((matches) => matches(row)));
    limit = data.rows;
    keep({ filter: find("filter").value });
    render();
    if (wrong.length) find("shown").textContent = wrong.join("; ");
  }

  function hideConstant() {
    const only = find("varying").checked;
    table.classList.toggle("varying", only);
    for (const cell of table.querySelectorAll("th[data-all]")) {
      cell.colSpan = Math.max(1, only ? cell.dataset.varying : cell.dataset.all);
    }
    keep({ varying: only });
  }

  headings.forEach((heading, index) => heading.firstChild.addEventListener("click", () => {
    const [first, other] = heading.dataset.first === "descending"
      ? ["descending", "ascending"] : ["ascending", "descending"];
    sort(index, heading.getAttribute("aria-sort") === first ? other : first);
  }));
  find("filter").addEventListener("input", filter);
  find("varying").addEventListener("change", hideConstant);
  find("more").addEventListener("click", () => { limit += data.rows; render(); });
  body.addEventListener("click", (event) => {
    if (event.target.closest("a, input")) return;
    const row = event.target.closest("tr[data-trial]");
    if (row) location.hash = `trial-${row.dataset.trial}`;
  });

  find("filter").value = kept.filter;
  find("varying").checked = kept.varying;
  hideConstant();
  if (kept.sort && keys.includes(kept.sort[0])) sort(keys.indexOf(kept.sort[0]), kept.sort[1]);
  else filter();

  return {
    choose(number) {
      current = number;
      for (const row of body.rows) {
        if (Number(row.dataset.trial) === number) row.setAttribute("aria-current", "true");
        else row.removeAttribute("aria-current");
      }
    },
    mark(numbers, full) {
      for (const box of body.querySelectorAll("input")) {
        box.checked = numbers.includes(Number(box.closest("tr").dataset.trial));
        box.disabled = full && !box.checked;
        box.title = box.disabled ? `at most ${most} at a time` : "";
      }
    },
  };
};
