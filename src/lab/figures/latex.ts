/** Words for LaTeX: what has a meaning there is written so that it stands for itself. */

const special: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '{': '\\{',
  '}': '\\}',
  $: '\\$',
  '&': '\\&',
  '#': '\\#',
  '%': '\\%',
  _: '\\_',
  '^': '\\textasciicircum{}',
  '~': '\\textasciitilde{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '|': '\\textbar{}',
  '"': "''",
  '±': '\\ensuremath{\\pm}',
  '·': '\\ensuremath{\\cdot}',
  '×': '\\ensuremath{\\times}',
  '≤': '\\ensuremath{\\leq}',
  '≥': '\\ensuremath{\\geq}',
  '²': '\\ensuremath{^2}',
  '³': '\\ensuremath{^3}',
  '−': '\\ensuremath{-}',
  '–': '--',
  '—': '---',
  '…': '\\ldots{}',
};

const greek: Readonly<Record<string, string>> = {
  α: 'alpha',
  β: 'beta',
  γ: 'gamma',
  δ: 'delta',
  ε: 'varepsilon',
  ζ: 'zeta',
  η: 'eta',
  θ: 'theta',
  κ: 'kappa',
  λ: 'lambda',
  μ: 'mu',
  µ: 'mu',
  ν: 'nu',
  ξ: 'xi',
  π: 'pi',
  ρ: 'rho',
  σ: 'sigma',
  τ: 'tau',
  φ: 'varphi',
  χ: 'chi',
  ψ: 'psi',
  ω: 'omega',
  Γ: 'Gamma',
  Δ: 'Delta',
  Θ: 'Theta',
  Λ: 'Lambda',
  Π: 'Pi',
  Σ: 'Sigma',
  Φ: 'Phi',
  Ψ: 'Psi',
  Ω: 'Omega',
};

/**
 * Text as LaTeX prints it, in one line. Letters with accents stay as they are (LaTeX reads UTF-8); other characters that
 * pdfLaTeX has no letter for (CJK, emoji) become question marks.
 */
export function escapeLatex(text: string): string {
  return [...text.replace(/\s+/g, ' ').trim()].map(escapeCharacter).join('');
}

function escapeCharacter(character: string): string {
  const known = special[character] ?? (greek[character] ? `\\ensuremath{\\${greek[character]}}` : undefined);
  if (known !== undefined) return known;
  return /[\x20-\x7e\u00c0-\u017f]/.test(character) ? character : '?';
}
