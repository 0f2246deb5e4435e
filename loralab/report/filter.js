"use strict";
// Shows the claims that every chosen value and every word is of. Without it the page has anchors.
const form = document.getElementById("filter");
const claims = [...document.querySelectorAll("article.claim")];
const families = [...document.querySelectorAll("section.family")];
// what a claim says, with the conditions that it shares with others
const shared = (claim) => [...claim.querySelectorAll("a.shared")].map((a) => document.querySelector(a.hash).textContent);
const text = new Map(claims.map((claim) => [claim, [claim.textContent, ...shared(claim)].join(" ").toLowerCase()]));
const fields = ["family", "verdict", "scope", "source"];

function filter() {
  const value = (name) => form.elements[name].value;
  const words = value("text").toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = fields.filter((name) => value(name));
  let count = 0;
  for (const claim of claims) {
    const fits = chosen.every((name) => claim.dataset[name].split("|").includes(value(name)));
    claim.hidden = !(fits && words.every((word) => text.get(claim).includes(word)));
    count += !claim.hidden;
  }
  const active = chosen.length + words.length > 0;
  for (const family of families) family.hidden = active && !family.querySelector("article:not([hidden])");
  // figures and tables are of all claims of a family
  document.body.classList.toggle("few", words.length > 0 || chosen.some((name) => name !== "family"));
  form.elements.count.value = active ? `${count} of ${claims.length} claims` : "";
}

// A link to what a filter hides, or a closed part holds, shows it.
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.closest("[hidden]")) {
    form.reset();
    filter();
  }
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  target.scrollIntoView();
}

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(filter));
for (const tile of document.querySelectorAll("a.tile")) {
  tile.addEventListener("click", (event) => {
    event.preventDefault();
    form.reset();
    form.elements.verdict.value = tile.dataset.verdict;
    setTimeout(() => { filter(); form.scrollIntoView(); form.elements.verdict.focus(); });
  });
}
addEventListener("hashchange", reveal);
reveal();
