import type { Schemas } from "../../api/client";

export type Condition = Schemas["Condition"];

/** A condition as it is edited: its values a line each; `of` when it stands for another one of the instance. */
export type Draft = { of: string } | { of?: never; type: "SIMPLE"; not: boolean; key: string; values: string } | { of?: never; type: "COMPLEX"; any: boolean; parts: Draft[] };

export const fresh = (): Draft => ({ type: "SIMPLE", not: false, key: "", values: "" });

export function draftOf(c: Condition): Draft {
  if (c.id !== undefined && c.type === undefined) return { of: c.id };
  if (c.type === "COMPLEX") return { type: "COMPLEX", any: c.operator === "OR", parts: (c.conditions ?? []).map(draftOf) };
  return { type: "SIMPLE", not: c.operator === "NOT", key: c.key ?? "", values: (c.values ?? []).join("\n") };
}

export function conditionOf(d: Draft): Condition {
  if (d.of !== undefined) return { id: d.of };
  if (d.type === "COMPLEX") return { type: "COMPLEX", operator: d.any ? "OR" : "AND", conditions: d.parts.map(conditionOf) };
  return { type: "SIMPLE", operator: d.not ? "NOT" : "IN", key: d.key.trim(), values: d.values.split("\n").map((v) => v.trim()).filter((v) => v !== "") };
}

/** What a condition holds for, in words; others are told by their names. */
export function inWords(c: Condition, all: readonly Condition[]): string {
  if (c.type === undefined) {
    const other = all.find((o) => o.id === c.id);
    return other ? (other.name ? `“${other.name}”` : inWords(other, all)) : `condition ${c.id}`;
  }
  if (c.type === "SIMPLE") return `${c.key} is ${c.operator === "NOT" ? (c.values?.length === 1 ? "not " : "none of ") : ""}${(c.values ?? []).join(c.operator === "NOT" ? ", " : " or ")}`;
  const parts = (c.conditions ?? []).map((p) => (p.type === "COMPLEX" && (c.conditions?.length ?? 0) > 1 ? `(${inWords(p, all)})` : inWords(p, all)));
  return parts.join(c.operator === "OR" ? ", or " : ", and ");
}

export const nameOf = (c: Condition, all: readonly Condition[]) => c.name || inWords(c, all);
