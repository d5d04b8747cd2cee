export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * Median of the pairs' ratios and its interval from order statistics, which asks nothing of their distribution:
 * the smallest and the largest of n hold the true median with probability 1 - 2^(1-n) (n = 7: 98.4 %).
 */
export function ratio(ours, theirs) {
  const ratios = ours.map((value, i) => value / theirs[i])
  return {
    median: median(ratios),
    low: Math.min(...ratios),
    high: Math.max(...ratios),
    confidence: 1 - 2 ** (1 - ratios.length),
  }
}

/** Rows with aligned columns; the first column to the left, the others to the right. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i])))
        .join('  '),
    )
    .join('\n')
}
