import { expect, test } from "@playwright/test";
import { digits, minus, over, plus, times } from "../src/api/decimal";
import { numberOf } from "../src/api/exact";
import { priced } from "../src/views/rates/typed";
import { matcher } from "../src/views/rates/drafted";

// What needs no browser.

const text = (n: number) => String(n);

test("sums and products of amounts are exact, and rounded half to even at the 12th digit", () => {
  expect(text(plus(0.1, 0.2))).toBe("0.3");
  expect(text(minus(0.3, 0.1))).toBe("0.2");
  expect(text(times(1e-7, 0.5))).toBe("5e-8");
  expect(text(plus(numberOf("9007199254740993"), 1))).toBe("9007199254740994"); // of which a number loses the last digit
  expect(text(times(numberOf("0.000000000001"), 0.5))).toBe("0"); // half, to even
  expect(text(times(numberOf("0.000000000003"), 0.5))).toBe("2e-12");
  expect(digits(numberOf("0.00000015"))).toBe("0.00000015");
  expect(text(over(1, 3))).toBe("0.333333333333");
  expect(text(over(-2, 3))).toBe("-0.666666666667");
});

test("what is typed for a price is a rate, or a change of it", () => {
  const rate = (typed: string, of = 12.5) => text(priced({ name: "x", version: "", formula: "", freeSeconds: 0, window: "", rate: of }, typed).rate ?? NaN);
  expect([rate("×1.25"), rate("x 1.25"), rate("*1.25"), rate("+25%"), rate("+25 %")]).toEqual(Array(5).fill("15.625"));
  expect([rate("-10%"), rate("−10%"), rate("/2"), rate("÷ 2"), rate("+0.5"), rate("3"), rate("×1.1", 0.1)]).toEqual(["11.25", "11.25", "6.25", "6.25", "13", "3", "0.11"]);
  for (const nonsense of ["", "25%", "/0", "1,5", "twice", "-13", "×"]) expect(() => rate(nonsense), nonsense).toThrow();
  expect(rate("-3")).toBe("9.5");
  const formula = (typed: string) => priced({ name: "x", version: "", formula: "a + b", freeSeconds: 0, window: "" }, typed);
  expect(formula("+25%").formula).toBe("(a + b) * 1.25");
  expect(formula("*0.0000001").formula).toBe("(a + b) * 0.0000001");
  expect(formula("7")).toMatchObject({ rate: 7, formula: "" });
});

test("a search of a draft finds what has the text, or what a pattern says", () => {
  const finds = (search: string) => ["render", "render.hd", "prerender", "a+b"].filter((name) => matcher(search)({ name, version: "2", formula: "", freeSeconds: 0, window: "" }));
  expect(finds("REND")).toEqual(["render", "render.hd", "prerender"]);
  expect(finds("render*")).toEqual(["render", "render.hd"]);
  expect(finds("*.hd")).toEqual(["render.hd"]);
  expect(finds("a+*")).toEqual(["a+b"]);
  expect(finds("render 2")).toEqual(["render", "prerender"]);
});
