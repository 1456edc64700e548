"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const filter = document.getElementById("filter");
const operations = all(".operation").map((element) => ({
  element,
  words: element.dataset.find.toLowerCase(),
}));

function show() {
  const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { element, words } of operations) {
    element.hidden = !wanted.every((word) => words.includes(word));
  }
  const isEmpty = (section) => !section.querySelector(".operation:not([hidden])");
  for (const section of all("main section")) section.hidden = wanted.length > 0 && isEmpty(section);
  for (const about of all("main .about")) about.hidden = wanted.length > 0;
  document.querySelector(".none").hidden = operations.some(({ element }) => !element.hidden);
}

function follow() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const operation = target && target.closest(".operation");
  if (!operation) return;
  if (operation.hidden) {
    filter.value = "";
    show();
  }
  operation.open = true;
  operation.scrollIntoView();
}

function addCopy(box) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const text = box.querySelector("pre").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(box.querySelector("pre"));
      button.textContent = "Selected";
    }
  });
  box.querySelector("h4").after(button);
}

filter.addEventListener("input", show);
filter.closest(".filter").hidden = false;
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== filter) {
    event.preventDefault();
    filter.focus();
  }
});
all(".curl").forEach(addCopy);
addEventListener("hashchange", follow);
follow();
