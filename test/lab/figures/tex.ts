/**
 * A strict reader of the TikZ figures: it takes what they are made of and nothing else, so that what passes here does
 * not surprise LaTeX.
 */

export interface TexPlot {
  readonly options: readonly string[];
  readonly points: readonly (readonly [number, number])[];
  /** Whether the path ends where it began. */
  readonly closed: boolean;
}

export interface TexFigure {
  /** The lines of the comment at the top. */
  readonly header: readonly string[];
  /** RRGGBB by name. */
  readonly colors: ReadonlyMap<string, string>;
  readonly axis: ReadonlyMap<string, string>;
  readonly plots: readonly TexPlot[];
  readonly legend: readonly { readonly options: readonly string[]; readonly label: string }[];
}

/** @throws Error  the text is not such a figure: says what was expected, and where */
export function readTex(text: string): TexFigure {
  const header = /^(?:%.*\n)+/.exec(text)?.[0].trimEnd().split('\n') ?? [];
  // Comments end with their line, as in TeX; an escaped percent sign is none.
  const reader = new Reader(text.replace(/(?<!\\)((?:\\\\)*)%.*\n?/g, '$1'));
  const colors = new Map<string, string>();
  const plots: TexPlot[] = [];
  const images: string[][] = [];
  const entries: string[] = [];

  reader.take('\\providecommand{\\figurewidth}{8.5cm}');
  reader.take('\\begin{tikzpicture}');
  while (reader.has('\\definecolor')) {
    const [, name = '', hex = ''] = reader.match(/\\definecolor\{([a-z]+\d+)\}\{HTML\}\{([0-9A-F]{6})\}/y);
    if (colors.has(name)) throw reader.error(`a colour that is not ${name} again`);
    colors.set(name, hex);
  }
  reader.take('\\begin{axis}');
  const axis = new Map(
    split(reader.group('[', ']')).map((option) => {
      const at = option.indexOf('=');
      return at < 0 ? [option, ''] : [option.slice(0, at).trim(), option.slice(at + 1).trim()];
    }),
  );
  while (reader.has('\\add')) {
    if (reader.takes('\\addplot')) plots.push(readPlot(reader));
    else if (reader.takes('\\addlegendimage')) images.push(split(reader.group('{', '}')));
    else {
      reader.take('\\addlegendentry');
      entries.push(reader.group('{', '}'));
    }
  }
  reader.take('\\end{axis}');
  reader.take('\\end{tikzpicture}');
  reader.end();

  if (images.length !== entries.length) throw new Error(`${images.length} legend lines for ${entries.length} labels`);
  for (const options of [...plots.map((plot) => plot.options), ...images]) {
    for (const name of colorsIn(options)) if (!colors.has(name)) throw new Error(`no colour is called ${name}`);
  }
  return { header, colors, axis, plots, legend: images.map((options, i) => ({ options, label: entries[i] ?? '' })) };
}

function readPlot(reader: Reader): TexPlot {
  const options = split(reader.group('[', ']'));
  reader.take('coordinates');
  const words = reader.group('{', '}').trim().split(/\s+/);
  const points = words.map((word): [number, number] => {
    const [, x, y] = /^\(([-+.\de]+),([-+.\de]+)\)$/.exec(word) ?? [];
    const point: [number, number] = [Number(x), Number(y)];
    if (!point.every(Number.isFinite)) throw reader.error(`finite coordinates, not ${word},`);
    return point;
  });
  const closed = reader.takes('-- cycle');
  reader.take(';');
  return { options, points, closed };
}

/** Words of the options that stand for colours: the first one alone, and what is drawn or filled with. */
function colorsIn(options: readonly string[]): string[] {
  const named = options.flatMap((option) => /^(?:draw|fill)=(?!none$)(.*)$/.exec(option)?.[1] ?? []);
  const [first = ''] = options;
  return first.includes('=') ? named : [first, ...named];
}

/** The parts between commas, but not those within braces. */
function split(options: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const character of options) {
    if (character === '{') depth++;
    if (character === '}') depth--;
    if (character === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  has(word: string): boolean {
    this.skip();
    return this.text.startsWith(word, this.at);
  }

  takes(word: string): boolean {
    const found = this.has(word);
    if (found) this.at += word.length;
    return found;
  }

  take(word: string): void {
    if (!this.takes(word)) throw this.error(word);
  }

  match(pattern: RegExp): RegExpExecArray {
    this.skip();
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) throw this.error(pattern.source);
    this.at = pattern.lastIndex;
    return found;
  }

  /** What stands between two delimiters, in which all braces are balanced. */
  group(open: string, close: string): string {
    this.take(open);
    const begin = this.at;
    for (let depth = 0; this.at < this.text.length; this.at++) {
      const character = this.text[this.at] ?? '';
      if (character === '\\') this.at++;
      else if (depth === 0 && character === close) return this.text.slice(begin, this.at++);
      else if (character === '{') depth++;
      else if (character === '}' && --depth < 0) break;
    }
    throw this.error(`a ${close} for each ${open}`);
  }

  end(): void {
    this.skip();
    if (this.at < this.text.length) throw this.error('nothing more');
  }

  error(expected: string): Error {
    return new Error(`expected ${expected} before "${this.text.slice(this.at, this.at + 40)}"`);
  }

  private skip(): void {
    while (/\s/.test(this.text[this.at] ?? '')) this.at++;
  }
}
