"use strict";
// The keyboard reaches what scrolls, and the places of the copy buttons, which share one name, are no landmarks.
function reach() {
  for (const part of document.querySelectorAll("pre > code, math, .md-typeset__scrollwrap")) {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  }
  for (const nav of document.querySelectorAll(".md-code__nav")) nav.role = "none";
}
reach();
new MutationObserver(reach).observe(document.body, { childList: true, subtree: true });
addEventListener("resize", reach);
