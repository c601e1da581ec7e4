/** A cell as RFC 4180 has it. Text that a spreadsheet would run as a formula gets an apostrophe in front: requesters and metadata are others' words. */
function cell(value: string | number): string {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csv = (rows: readonly (readonly (string | number)[])[]) => rows.map((r) => r.map(cell).join(",") + "\r\n").join("");

/** Hands a CSV file to the viewer. */
export function download(name: string, rows: readonly (readonly (string | number)[])[]) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv(rows)], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // once it has surely begun
}
