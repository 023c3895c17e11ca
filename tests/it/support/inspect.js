// The body of a function that returns the problems of the open page, one sentence each.
const wrong = [];
const root = document.documentElement;
if (root.scrollWidth > innerWidth) wrong.push(`scrolls sideways: ${root.scrollWidth} of ${innerWidth}`);

const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgba = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, alpha / 255];
};
const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3])).concat(1);
const behind = (element) => {
  if (!element) return rgba(matchMedia('(prefers-color-scheme: dark)').matches ? 'black' : 'white');
  const own = rgba(getComputedStyle(element).backgroundColor);
  return own[3] === 1 ? own : over(own, behind(element.parentElement));
};
const luminance = (color) => {
  const [red, green, blue] = color.slice(0, 3).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};

const name = (element) => `<${element.tagName.toLowerCase()} id="${element.id}" class="${element.className}">`;
const isSeen = (element) => {
  const box = element.getBoundingClientRect();
  return element.checkVisibility() && box.width > 1 && box.height > 1 && box.right > 0;
};
for (const element of document.body.querySelectorAll('*')) {
  const words = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('');
  const typed = element.matches('input:not([type=hidden]), select');
  if (!isSeen(element) || !(words || typed)) continue;
  const back = behind(element);
  const ratio = contrast(over(rgba(getComputedStyle(element).color), back), back);
  if (ratio < 4.5) wrong.push(`contrast ${ratio.toFixed(2)}: ${name(element)} ${words}`);
  const box = element.getBoundingClientRect();
  if (root.scrollWidth <= innerWidth && box.right > innerWidth + 1) wrong.push(`cut off: ${name(element)} ${words}`);
}
for (const field of document.querySelectorAll('input:not([type=hidden]):not([hidden]), select')) {
  if (![...field.labels].some((label) => label.textContent.trim())) wrong.push(`no label: ${name(field)}`);
}
for (const control of document.querySelectorAll('a, button')) {
  if (!control.textContent.trim()) wrong.push(`no words: ${name(control)}`);
}
const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
for (const id of ids.filter((id, at) => ids.indexOf(id) !== at)) wrong.push(`two elements have the id ${id}`);
return wrong;
