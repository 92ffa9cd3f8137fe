"use strict";
// A trial under the pointer is lit in all charts and in the table; a click on a column's name sorts by it.
(function () {
  const groups = new Map();
  document.querySelectorAll("[data-trial]").forEach(function (mark) {
    mark.dataset.trial.split(" ").forEach(function (trial) {
      if (!groups.has(trial)) { groups.set(trial, []); }
      groups.get(trial).push(mark);
    });
  });
  let lit = [];
  document.addEventListener("pointerover", function (event) {
    const mark = event.target.closest("[data-trial]");
    lit.forEach(function (one) { one.classList.remove("lit"); });
    lit = mark ? mark.dataset.trial.split(" ").flatMap(function (trial) { return groups.get(trial); }) : [];
    lit.forEach(function (one) { one.classList.add("lit"); });
  });
  document.querySelectorAll("table.sortable").forEach(function (table) {
    table.querySelectorAll("thead th").forEach(function (head, column) {
      if (head.textContent === "") { return; }
      const button = document.createElement("button");
      button.textContent = head.textContent;
      head.replaceChildren(button);
      let sign = -1;
      button.addEventListener("click", function () {
        sign = -sign;
        const body = table.tBodies[0];
        const rows = Array.from(body.rows);
        rows.sort(function (one, other) { return sign * compare(key(one.cells[column]), key(other.cells[column])); });
        table.querySelectorAll("thead th").forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
        rows.forEach(function (row) { body.append(row); });
      });
    });
  });
  function key(cell) {
    const given = cell.dataset.value === undefined ? cell.textContent : cell.dataset.value;
    return given !== "" ? (isNaN(Number(given)) ? given : Number(given)) : null;
  }
  function compare(one, other) {
    if (one === null || other === null) { return (one === null) - (other === null); }
    if (typeof one === "number") { return typeof other === "number" ? one - other : -1; }
    return typeof other === "number" ? 1 : one.localeCompare(other);
  }
})();
