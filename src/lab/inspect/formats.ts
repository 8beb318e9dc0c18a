/** What figures of an inspection can be written as. Apart from the rendering, which is slow to load. */
export const pictureFormats = ['svg', 'png', 'pdf'] as const;
export type PictureFormat = (typeof pictureFormats)[number];
