"use strict";
// The table of studies sorts by its headings; rows without a value stay last.
(() => {
  page.onTheme(() => {});
  const table = document.getElementById("studies");
  if (!table) return;
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const words = new Intl.Collator(undefined, { numeric: true });

  function sort(at) {
    const head = heads[at];
    const now = head.getAttribute("aria-sort");
    const turned = now === "ascending" ? "descending" : "ascending";
    const order = now === "none" ? head.dataset.first : turned;
    const sign = order === "ascending" ? 1 : -1;
    const compare = head.dataset.kind === "number" ? (a, b) => a - b : words.compare;
    const value = (row) => row.cells[at].dataset.v;
    body.append(...[...body.rows].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      return sign * compare(a, b);
    }));
    for (const other of heads) other.setAttribute("aria-sort", other === head ? order : "none");
  }

  heads.forEach((head, at) => head.firstChild.addEventListener("click", () => sort(at)));
})();
