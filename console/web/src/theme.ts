const key = "farebox.theme";
const choices = ["system", "light", "dark"] as const;
export type Theme = (typeof choices)[number];

export const theme = (): Theme => choices.find((c) => c === localStorage.getItem(key)) ?? "system";

export function showTheme() {
  const t = theme();
  if (t === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", t);
}

export function chooseTheme(t: Theme) {
  localStorage.setItem(key, t);
  showTheme();
}
