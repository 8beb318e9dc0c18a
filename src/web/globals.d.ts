/** What the library scripts of the pages define. */
import type vegaEmbedType from 'vega-embed';

declare global {
  const vegaEmbed: typeof vegaEmbedType;
}
