// The body of a function that returns what does not fit the width of the open page, one sentence each.
const wrong = [];
const root = document.documentElement;
if (root.scrollWidth > innerWidth) wrong.push(`scrolls sideways: ${root.scrollWidth} of ${innerWidth}`);
const name = (element) => `<${element.tagName.toLowerCase()} id="${element.id}" class="${element.className}">`;
const isSeen = (element) => element.checkVisibility() && !element.closest('.unseen, .skip');

for (const element of document.body.querySelectorAll('*')) {
  const box = element.getBoundingClientRect();
  if (box.width > 1 && box.right > innerWidth + 1 && isSeen(element)) {
    wrong.push(`beyond the edge: ${name(element)} ${Math.round(box.right)} of ${innerWidth}`);
  }
}

// IPv4 and IPv6 addresses, dates and times.
const whole = /\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}\b|(?<![\w-])\d{4}-\d\d-\d\d(?!\d)(?:[ T]\d\d:\d\d(?::\d\d)?(?: UTC|Z)?)?/gi;
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const node = texts.currentNode;
  if (!isSeen(node.parentElement)) continue;
  for (const match of node.data.matchAll(whole)) {
    const range = document.createRange();
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].length);
    const lines = new Set([...range.getClientRects()].filter((box) => box.width > 0).map((box) => Math.round(box.top)));
    if (lines.size > 1) wrong.push(`broken in ${lines.size}: ${match[0]} in ${name(node.parentElement)}`);
  }
}
return wrong;
